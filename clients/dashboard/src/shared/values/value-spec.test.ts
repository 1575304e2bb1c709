import { expect, test } from "vitest";
import { parseValue, typedText } from "./value-spec";
import type { ValueSpec } from "./value-spec";

const spec = (change: Partial<ValueSpec>): ValueSpec => ({ type: "text", ...change });

test("numbers keep their bounds and their kind", () => {
  expect(parseValue("250", spec({ type: "integer", minimum: 100, maximum: 60000 }))).toEqual({ value: 250 });
  expect(parseValue("99", spec({ type: "integer", minimum: 100 }))).toEqual({ fault: { code: "too_small", limit: 100 } });
  expect(parseValue("1.5", spec({ type: "integer" }))).toEqual({ fault: { code: "not_integer" } });
  expect(parseValue("1.5", spec({ type: "number", maximum: 1 }))).toEqual({ fault: { code: "too_large", limit: 1 } });
  expect(parseValue("ten", spec({ type: "number" }))).toEqual({ fault: { code: "not_number" } });
});

test("nothing typed is no value, unless one is required", () => {
  expect(parseValue("  ", spec({}))).toEqual({ value: undefined });
  expect(parseValue("", spec({ is_required: true }))).toEqual({ fault: { code: "missing" } });
});

test("texts keep to their length and choices, lists in every entry", () => {
  expect(parseValue("abcd", spec({ max_length: 3 }))).toEqual({ fault: { code: "too_long", limit: 3 } });
  expect(parseValue("warn", spec({ choices: ["info", "debug"] }))).toEqual({ fault: { code: "not_a_choice" } });
  expect(parseValue("cpu\n\n disk ", spec({ type: "text_list" }))).toEqual({ value: ["cpu", "disk"] });
  expect(parseValue("cpu\nlonger", spec({ type: "text_list", max_length: 4 }))).toEqual({ fault: { code: "too_long", limit: 4 } });
});

test("what is typed for a value gives that value again", () => {
  for (const [value, type] of [[5, "integer"], [0.25, "number"], [true, "boolean"], ["x y", "text"], [["a", "b"], "text_list"]] as const) {
    expect(parseValue(typedText(value), spec({ type }))).toEqual({ value });
  }
});
