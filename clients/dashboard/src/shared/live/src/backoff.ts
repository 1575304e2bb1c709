const FIRST_MS = 500;
const LONGEST_MS = 15_000;
/** What a close code 41xx asks for at the least. */
export const MEND_FLOOR_MS = 1_000;

/** Full jitter: anything from nothing to the bound, so that a thousand clients do not come back at once. */
export function backoffMs(attempt: number, random: () => number): number {
  return random() * Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
}
