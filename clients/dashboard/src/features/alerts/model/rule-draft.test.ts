import { expect, test } from "vitest";
import type { RuleBody, RuleDraft } from "./rule-draft";
import { bodyOf, draftOf, fittingOperator, newDraft, readDraft } from "./rule-draft";
import type { Rule } from "./rule-draft";

const BASE: RuleBody = {
  name: "Hot", description: "", is_enabled: true, severity: "critical", metric: "temp*", unit: "°C", device_ids: [], groups: ["boilers"],
  clear_after_seconds: 30, schedule: null, message: "{device}: {value}",
  condition: { kind: "threshold", test: { operator: ">", value: 90, clear_value: 85 } },
};

const draft = (change: Partial<RuleDraft>): RuleDraft => ({ ...newDraft("UTC"), name: "Hot", metric: "temp", value: "90", ...change });
const faults = (change: Partial<RuleDraft>): unknown => {
  const read = readDraft(draft(change));
  return "faults" in read ? read.faults : {};
};

test("every kind of rule comes out of its form as it went in", () => {
  const conditions: RuleBody["condition"][] = [
    { kind: "threshold", test: { operator: ">", value: 90, clear_value: 85 } },
    { kind: "threshold", test: { operator: "==", value: true } },
    { kind: "threshold", test: { operator: "contains", value: "fail" } },
    { kind: "threshold", test: { operator: "in", values: ["a b", "c"] } },
    { kind: "duration", test: { operator: "outside", low: 1, high: 9, clear_low: 2, clear_high: 8 }, for_seconds: 90 },
    { kind: "repetition", test: { operator: "<", value: -0.5, clear_value: null }, times: 3, window_seconds: 3_600 },
    { kind: "rate", operator: "<=", value: -2, clear_value: null, per: "minute", window_seconds: 60, is_absolute: true },
    { kind: "no_data", for_seconds: 300, while_offline: "hold" },
    { kind: "anomaly", k: 4, clear_k: 2, min_deviation: 0.5, window_readings: 50, warm_up: 20, direction: "above" },
  ];
  for (const condition of conditions) {
    const rule = { ...BASE, condition, clear_after_seconds: condition.kind === "no_data" ? 0 : 30 };
    expect(readDraft(draftOf(rule, "UTC"))).toEqual({ body: rule });
  }
});

test("a schedule and named devices come out as they went in", () => {
  const rule: RuleBody = {
    ...BASE, groups: [], device_ids: ["b-1"],
    schedule: { days: [0, 4], start: "22:00", end: "06:00", time_zone: "Europe/Vienna" },
  };
  expect(readDraft(draftOf(rule, "UTC"))).toEqual({ body: rule });
});

test("a clear level lies where the alarm ends", () => {
  expect(faults({ clear: "91" })).toEqual({ clear: "clear_side" });
  expect(faults({ operator: "<", clear: "91" })).toEqual({});
  expect(faults({ operator: "between", low: "1", high: "9", clearLow: "2", clearHigh: "8" })).toEqual({ clearLow: "clear_side" });
  expect(faults({ operator: "outside", low: "1", high: "9", clearLow: "2", clearHigh: "8" })).toEqual({});
  expect(faults({ operator: "outside", low: "1", high: "9", clearLow: "2" })).toEqual({ clearHigh: "clear_pair" });
  expect(faults({ operator: "between", low: "9", high: "1" })).toEqual({ high: "low_high" });
});

test("what is missing or no number is said at its field", () => {
  expect(faults({ name: " ", metric: "", value: "" })).toEqual({ name: "missing", metric: "missing", value: "missing" });
  expect(faults({ value: "ninety" })).toEqual({ value: "not_number" });
  expect(faults({ value: "90,5" })).toEqual({});
  expect(faults({ metric: "temp in °C" })).toEqual({ metric: "bad_metric" });
  expect(faults({ kind: "duration", span: { amount: "8", unit: "d" } })).toEqual({ span: "out_of_range" });
  expect(faults({ kind: "duration", span: { amount: "0", unit: "s" } })).toEqual({ span: "out_of_range" });
  expect(faults({ kind: "repetition", times: "1" })).toEqual({ times: "out_of_range" });
  expect(faults({ kind: "no_data", metric: "", span: { amount: "4", unit: "s" } })).toEqual({ span: "out_of_range" });
  expect(faults({ target: "devices" })).toEqual({ deviceIds: "no_device" });
  expect(faults({ message: "{celsius}" })).toEqual({ message: "bad_place" });
  expect(faults({ hasSchedule: true, days: [], end: "24:00" })).toEqual({ days: "no_day", end: "bad_clock" });
  expect(faults({ kind: "anomaly", warmUp: "200", clearK: "6" })).toEqual({ warmUp: "out_of_range", clearK: "clear_side" });
});

test("silence of a device needs no metric", () => {
  const read = readDraft(draft({ kind: "no_data", metric: "", value: "" }));
  expect(read).toMatchObject({ body: { metric: null, condition: { kind: "no_data", for_seconds: 300 } } });
});

test("a rule is sent back without what only the service says", () => {
  const rule: Rule = {
    ...(BASE as Required<RuleBody>), id: "1", version: 3, created_at: "", created_by_name: null, updated_at: "", updated_by_name: null,
  };
  expect(bodyOf(rule, { is_enabled: false })).toEqual({ ...BASE, is_enabled: false });
});

test("an operator fits the kind of value", () => {
  expect(fittingOperator("threshold", "text", ">")).toBe("==");
  expect(fittingOperator("rate", "number", "between")).toBe(">");
  expect(fittingOperator("threshold", "number", "outside")).toBe("outside");
});
