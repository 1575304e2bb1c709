import type { components } from "@/shared/api/generated/alerts";
import type { Severity } from "./filters";
import { MAX_TEMPLATE_CHARS, strangePlace } from "./message";
import { asTimeAmount, readNumber, readSeconds } from "./time-amount";
import type { TimeAmount } from "./time-amount";

export type Rule = components["schemas"]["RuleAnswer"];
export type RuleBody = components["schemas"]["RuleBody"];
export type Condition = RuleBody["condition"];
export type Test = components["schemas"]["Test"];
export type Kind = Condition["kind"];
export type Operator = Test["operator"];

export const KINDS = ["threshold", "duration", "repetition", "rate", "no_data", "anomaly"] as const satisfies readonly Kind[];
export const ONE_SIDED = [">", ">=", "<", "<="] as const satisfies readonly Operator[];
export const VALUE_KINDS = ["number", "boolean", "text"] as const;
export type ValueKind = (typeof VALUE_KINDS)[number];

/** Which operators fit a value of a kind. */
export const OPERATORS: Readonly<Record<ValueKind, readonly Operator[]>> = {
  number: [">", ">=", "<", "<=", "==", "!=", "between", "outside"],
  boolean: ["==", "!="],
  text: ["==", "!=", "contains", "in"],
};
const MAX_SECONDS = 7 * 86_400;
const METRIC = /^[A-Za-z0-9_.:/*?-]{1,64}$/;

/** A rule as it stands in its form: what is typed, also where it makes no sense yet. */
export interface RuleDraft {
  readonly name: string;
  readonly description: string;
  readonly isEnabled: boolean;
  readonly severity: Severity;
  readonly metric: string;
  readonly unit: string;
  readonly target: "all" | "groups" | "devices";
  readonly deviceIds: readonly string[];
  readonly groups: readonly string[];
  readonly kind: Kind;
  readonly valueKind: ValueKind;
  readonly operator: Operator;
  readonly value: string;
  readonly low: string;
  readonly high: string;
  readonly clear: string;
  readonly clearLow: string;
  readonly clearHigh: string;
  /** For how long, or within how long. */
  readonly span: TimeAmount;
  readonly times: string;
  readonly per: "second" | "minute";
  readonly isAbsolute: boolean;
  readonly whileOffline: "raise" | "hold";
  readonly k: string;
  readonly clearK: string;
  readonly minDeviation: string;
  readonly windowReadings: string;
  readonly warmUp: string;
  readonly direction: "both" | "above" | "below";
  readonly clearAfter: TimeAmount;
  readonly hasSchedule: boolean;
  readonly days: readonly number[];
  readonly start: string;
  readonly end: string;
  readonly timeZone: string;
  readonly message: string;
}

export type Fault =
  | "missing" | "not_number" | "not_whole" | "out_of_range" | "clear_side" | "low_high" | "clear_pair" | "bad_metric" | "bad_place"
  | "too_long" | "no_device" | "no_group" | "no_day" | "bad_clock";
export type Faults = Partial<Record<keyof RuleDraft, Fault>>;

export const WEEK = [0, 1, 2, 3, 4, 5, 6] as const;

export function newDraft(timeZone: string): RuleDraft {
  return {
    name: "", description: "", isEnabled: true, severity: "warning", metric: "", unit: "",
    target: "all", deviceIds: [], groups: [],
    kind: "threshold", valueKind: "number", operator: ">", value: "", low: "", high: "", clear: "", clearLow: "", clearHigh: "",
    span: { amount: "5", unit: "min" }, times: "3", per: "second", isAbsolute: false, whileOffline: "raise",
    k: "5", clearK: "", minDeviation: "0", windowReadings: "100", warmUp: "30", direction: "both",
    clearAfter: { amount: "0", unit: "s" },
    hasSchedule: false, days: WEEK, start: "08:00", end: "18:00", timeZone,
    message: "{device_name}: {rule} ({metric} is {value} {unit})",
  };
}

const typed = (value: number | null | undefined): string => (value === null || value === undefined ? "" : String(value));

function testDraft(test: Test): Partial<RuleDraft> {
  const { value } = test;
  const valueKind = typeof value === "boolean" ? "boolean" : typeof value === "string" || test.operator === "in" ? "text" : "number";
  return {
    valueKind,
    operator: test.operator,
    value: test.operator === "in" ? (test.values ?? []).join("\n") : value === null || value === undefined ? "" : String(value),
    low: typed(test.low), high: typed(test.high),
    clear: typed(test.clear_value), clearLow: typed(test.clear_low), clearHigh: typed(test.clear_high),
  };
}

function conditionDraft(condition: Condition): Partial<RuleDraft> {
  switch (condition.kind) {
    case "threshold":
      return testDraft(condition.test);
    case "duration":
      return { ...testDraft(condition.test), span: asTimeAmount(condition.for_seconds) };
    case "repetition":
      return { ...testDraft(condition.test), span: asTimeAmount(condition.window_seconds), times: String(condition.times) };
    case "rate":
      return {
        operator: condition.operator, value: String(condition.value), clear: typed(condition.clear_value),
        per: condition.per ?? "second", isAbsolute: condition.is_absolute ?? false, span: asTimeAmount(condition.window_seconds),
      };
    case "no_data":
      return { span: asTimeAmount(condition.for_seconds), whileOffline: condition.while_offline ?? "raise" };
    case "anomaly":
      return {
        k: typed(condition.k), clearK: typed(condition.clear_k), minDeviation: typed(condition.min_deviation),
        windowReadings: typed(condition.window_readings), warmUp: typed(condition.warm_up), direction: condition.direction ?? "both",
      };
  }
}

/** The form of a rule that is there. */
export function draftOf(rule: RuleBody, timeZone: string): RuleDraft {
  const empty = newDraft(timeZone);
  const { schedule } = rule;
  const deviceIds = rule.device_ids ?? [];
  const groups = rule.groups ?? [];
  return {
    ...empty,
    ...conditionDraft(rule.condition),
    kind: rule.condition.kind,
    name: rule.name,
    description: rule.description ?? "",
    isEnabled: rule.is_enabled ?? true,
    severity: rule.severity ?? "warning",
    metric: rule.metric ?? "",
    unit: rule.unit ?? "",
    target: deviceIds.length > 0 ? "devices" : groups.length > 0 ? "groups" : "all",
    deviceIds,
    groups,
    clearAfter: asTimeAmount(rule.clear_after_seconds ?? 0),
    ...(schedule !== null && schedule !== undefined && {
      hasSchedule: true,
      days: schedule.days ?? WEEK,
      start: schedule.start ?? "00:00",
      end: schedule.end ?? "00:00",
      timeZone: schedule.time_zone ?? "UTC",
    }),
    message: rule.message ?? empty.message,
  };
}

/** Reads fields and remembers what is wrong with them. */
class Reading {
  readonly faults: Faults = {};

  constructor(readonly draft: RuleDraft) {}

  fail(field: keyof RuleDraft, fault: Fault): void {
    this.faults[field] ??= fault;
  }

  number(field: "value" | "low" | "high" | "clear" | "clearLow" | "clearHigh" | "k" | "clearK" | "minDeviation"): number {
    const value = this.optional(field);
    if (value === undefined) this.fail(field, "missing");
    return value ?? 0;
  }

  optional(field: "value" | "low" | "high" | "clear" | "clearLow" | "clearHigh" | "k" | "clearK" | "minDeviation"): number | undefined {
    const text = this.draft[field];
    if (text.trim() === "") return undefined;
    const value = readNumber(text);
    if (value === undefined) this.fail(field, "not_number");
    return value;
  }

  whole(field: "times" | "windowReadings" | "warmUp", low: number, high: number): number {
    const value = readNumber(this.draft[field]);
    if (value === undefined) this.fail(field, this.draft[field].trim() === "" ? "missing" : "not_number");
    else if (!Number.isInteger(value)) this.fail(field, "not_whole");
    else if (value < low || value > high) this.fail(field, "out_of_range");
    return value ?? low;
  }

  seconds(field: "span" | "clearAfter", low: number): number {
    const value = readSeconds(this.draft[field]);
    if (value === undefined) this.fail(field, this.draft[field].amount.trim() === "" ? "missing" : "not_number");
    else if (value < low || value > MAX_SECONDS || (low === 0 && field === "span" && value === 0)) this.fail(field, "out_of_range");
    return value ?? 0;
  }
}

function readOneSided(reading: Reading): { value: number; clear_value: number | null } {
  const value = reading.number("value");
  const clear = reading.optional("clear");
  const isUpper = reading.draft.operator.startsWith(">");
  if (clear !== undefined && (isUpper ? clear > value : clear < value)) reading.fail("clear", "clear_side");
  return { value, clear_value: clear ?? null };
}

function readTwoSided(reading: Reading): Partial<Test> {
  const [low, high] = [reading.number("low"), reading.number("high")];
  if (low > high) reading.fail("high", "low_high");
  const [clearLow, clearHigh] = [reading.optional("clearLow"), reading.optional("clearHigh")];
  if (clearLow === undefined && clearHigh === undefined) return { low, high };
  if (clearLow === undefined) reading.fail("clearLow", "clear_pair");
  else if (clearHigh === undefined) reading.fail("clearHigh", "clear_pair");
  else {
    const isWider = clearLow <= low && clearHigh >= high;
    const isNarrower = low <= clearLow && clearLow <= clearHigh && clearHigh <= high;
    if (!(reading.draft.operator === "between" ? isWider : isNarrower)) reading.fail("clearLow", "clear_side");
  }
  return { low, high, clear_low: clearLow ?? null, clear_high: clearHigh ?? null };
}

function readTest(reading: Reading): Test {
  const { operator, value, valueKind } = reading.draft;
  if (operator === "between" || operator === "outside") return { operator, ...readTwoSided(reading) };
  if ((ONE_SIDED as readonly string[]).includes(operator)) return { operator, ...readOneSided(reading) };
  if (operator === "in") {
    const values = value.split("\n").map((one) => one.trim()).filter((one) => one !== "");
    if (values.length === 0) reading.fail("value", "missing");
    return { operator, values };
  }
  if (valueKind === "number") return { operator, value: reading.number("value") };
  if (value === "") reading.fail("value", "missing");
  return { operator, value: valueKind === "boolean" ? value === "true" : value };
}

function readCondition(reading: Reading): Condition {
  const { draft } = reading;
  switch (draft.kind) {
    case "threshold":
      return { kind: draft.kind, test: readTest(reading) };
    case "duration":
      return { kind: draft.kind, test: readTest(reading), for_seconds: reading.seconds("span", 0) };
    case "repetition":
      return {
        kind: draft.kind, test: readTest(reading), times: reading.whole("times", 2, 1_000), window_seconds: reading.seconds("span", 0),
      };
    case "rate": {
      const operator = ONE_SIDED.find((one) => one === draft.operator) ?? ">";
      const window = reading.seconds("span", 0);
      return {
        kind: draft.kind, operator, ...readOneSided(reading), per: draft.per, window_seconds: window, is_absolute: draft.isAbsolute,
      };
    }
    case "no_data":
      return { kind: draft.kind, for_seconds: reading.seconds("span", 5), while_offline: draft.whileOffline };
    case "anomaly": {
      const [k, clearK] = [reading.number("k"), reading.optional("clearK")];
      const [window, warmUp] = [reading.whole("windowReadings", 10, 500), reading.whole("warmUp", 5, 500)];
      const minDeviation = reading.optional("minDeviation") ?? 0;
      if (k <= 0 || k > 100) reading.fail("k", "out_of_range");
      if (clearK !== undefined && (clearK <= 0 || clearK > k)) reading.fail("clearK", "clear_side");
      if (warmUp > window) reading.fail("warmUp", "out_of_range");
      if (minDeviation < 0) reading.fail("minDeviation", "out_of_range");
      return {
        kind: draft.kind, k, clear_k: clearK ?? null, min_deviation: minDeviation, window_readings: window, warm_up: warmUp,
        direction: draft.direction,
      };
    }
  }
}

const CLOCK = /^([01]\d|2[0-3]):[0-5]\d$/;

/** Read a form: the rule that it is, or what is wrong where. The service checks again, by the same rules. */
export function readDraft(draft: RuleDraft): { readonly body: RuleBody } | { readonly faults: Faults } {
  const reading = new Reading(draft);
  const name = draft.name.trim();
  if (name === "") reading.fail("name", "missing");
  if (name.length > 100) reading.fail("name", "too_long");
  const metric = draft.metric.trim();
  if (metric === "" && draft.kind !== "no_data") reading.fail("metric", "missing");
  if (metric !== "" && !METRIC.test(metric)) reading.fail("metric", "bad_metric");
  if (draft.target === "devices" && draft.deviceIds.length === 0) reading.fail("deviceIds", "no_device");
  if (draft.target === "groups" && draft.groups.length === 0) reading.fail("groups", "no_group");
  const condition = readCondition(reading);
  const clearAfter = draft.kind === "no_data" ? 0 : reading.seconds("clearAfter", 0);
  if (draft.unit.length > 20) reading.fail("unit", "too_long");
  if (draft.message.trim() === "") reading.fail("message", "missing");
  else if (draft.message.length > MAX_TEMPLATE_CHARS) reading.fail("message", "too_long");
  else if (strangePlace(draft.message) !== undefined) reading.fail("message", "bad_place");
  if (draft.hasSchedule) {
    if (draft.days.length === 0) reading.fail("days", "no_day");
    if (!CLOCK.test(draft.start)) reading.fail("start", "bad_clock");
    if (!CLOCK.test(draft.end)) reading.fail("end", "bad_clock");
    if (draft.timeZone.trim() === "") reading.fail("timeZone", "missing");
  }
  if (Object.keys(reading.faults).length > 0) return { faults: reading.faults };
  return {
    body: {
      name,
      description: draft.description.trim(),
      is_enabled: draft.isEnabled,
      severity: draft.severity,
      metric: metric === "" ? null : metric,
      unit: draft.unit.trim() === "" ? null : draft.unit.trim(),
      device_ids: draft.target === "devices" ? [...draft.deviceIds] : [],
      groups: draft.target === "groups" ? [...draft.groups] : [],
      condition,
      clear_after_seconds: clearAfter,
      schedule: draft.hasSchedule
        ? { days: [...draft.days].sort(), start: draft.start, end: draft.end, time_zone: draft.timeZone.trim() }
        : null,
      message: draft.message,
    },
  };
}

/** What a rule that is there is sent back as, with a change. */
export function bodyOf(rule: Rule, change: Partial<RuleBody>): RuleBody {
  const { name, description, is_enabled, severity, metric, unit, device_ids, groups, condition, clear_after_seconds, schedule, message } = rule;
  return {
    name, description, is_enabled, severity, metric, unit, device_ids, groups, condition, clear_after_seconds, schedule, message, ...change,
  };
}

/** The operator that a draft has, or the first that its kinds allow. */
export function fittingOperator(kind: Kind, valueKind: ValueKind, operator: Operator): Operator {
  const allowed: readonly Operator[] = kind === "rate" ? ONE_SIDED : OPERATORS[valueKind];
  return allowed.includes(operator) ? operator : (allowed[0] ?? ">");
}
