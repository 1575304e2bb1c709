import type { Condition } from "./rule-draft";

/** The one number that a condition compares with; undefined when it has none, or two. */
export function levelOf(condition: Condition): number | undefined {
  if (!("test" in condition)) return undefined;
  return typeof condition.test.value === "number" ? condition.test.value : undefined;
}
