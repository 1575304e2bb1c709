import { expect, test } from "vitest";
import { wouldBe } from "./dry-run";

const at = (ms: number): string => new Date(ms).toISOString();
const found = (isRaised: boolean, ms: number) => ({ is_raised: isRaised, at: at(ms), metric: "temp", value: 1, message: isRaised ? "hot" : "" });
const tried = (deviceId: string, ...list: ReturnType<typeof found>[]) => ({
  device_id: deviceId, readings: 9, is_complete: true, looked_until: null, found: list,
});

test("a clearing ends the alarm before it; the newest comes first", () => {
  const alarms = wouldBe([tried("a", found(true, 1_000), found(false, 2_000), found(true, 5_000)), tried("b", found(false, 1), found(true, 3_000))]);
  expect(alarms.map(({ deviceId, raisedAt, clearedAt }) => [deviceId, raisedAt, clearedAt])).toEqual([
    ["a", 5_000, undefined],
    ["b", 3_000, undefined],
    ["a", 1_000, 2_000],
  ]);
});
