import { expect, test } from "vitest";
import { around, byUrgency, isShelved } from "./alarm";
import type { Alarm } from "./alarm";

const MINUTE = 60_000;
const at = (minutes: number): string => new Date(minutes * MINUTE).toISOString();

function alarm(change: Partial<Alarm>): Alarm {
  return { state: "active", severity: "warning", raised_at: at(100), cleared_at: null, ...change } as Alarm;
}

test("what nobody cares for comes first, then the worst, then the newest", () => {
  const known = alarm({ state: "acknowledged", severity: "critical" });
  const small = alarm({ severity: "info" });
  const old = alarm({ severity: "critical", raised_at: at(1) });
  const newer = alarm({ severity: "critical", raised_at: at(2) });
  expect([known, small, old, newer].sort(byUrgency)).toEqual([newer, old, small, known]);
});

test("the stretch around an alarm has time before and after it, and an end", () => {
  expect(around(alarm({ cleared_at: at(104) }), 1_000 * MINUTE)).toEqual({ from: 90 * MINUTE, to: 114 * MINUTE });
  expect(around(alarm({}), 105 * MINUTE)).toEqual({ from: 90 * MINUTE, to: 105 * MINUTE });
  const long = around(alarm({}), 100_000 * MINUTE);
  expect(long.from).toBe(-20 * MINUTE);
  expect(long.to - long.from).toBe(24 * 60 * MINUTE);
});

test("a shelf ends by itself", () => {
  expect(isShelved({ shelved_until: at(5) }, 4 * MINUTE)).toBe(true);
  expect(isShelved({ shelved_until: at(5) }, 5 * MINUTE)).toBe(false);
  expect(isShelved({ shelved_until: null }, 0)).toBe(false);
});
