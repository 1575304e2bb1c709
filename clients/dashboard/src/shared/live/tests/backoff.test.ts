import { describe, expect, it } from "vitest";
import { backoffMs } from "../src/backoff";

/** How long after the server is back the last of 500 dashboards comes, when all lost it at the same moment. */
function lastOne(downMs: number): number {
  let seed = 1;
  const random = (): number => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
  let last = 0;
  for (let dashboard = 0; dashboard < 500; dashboard++) {
    let at = 0;
    for (let attempt = 0; at < downMs; attempt++) at += backoffMs(attempt, random);
    last = Math.max(last, at - downMs);
  }
  return last;
}

describe("the pause before the next attempt", () => {
  it("brings 500 dashboards back within 5 s after a gateway that was away for 2 s", () => {
    expect(lastOne(2_000)).toBeLessThan(5_000);
  });

  it("is never longer than 15 s, however long the server is away", () => {
    expect(backoffMs(0, () => 1)).toBe(500);
    expect(backoffMs(9, () => 1)).toBeLessThan(15_000);
    expect(backoffMs(1_000_000, () => 1)).toBe(15_000);
    expect(lastOne(600_000)).toBeLessThan(15_000);
  });
});
