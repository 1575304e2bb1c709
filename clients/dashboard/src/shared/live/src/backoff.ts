const FIRST_MS = 500;
const LONGEST_MS = 15_000;
/**
 * How much longer the bound is after each attempt: who knocked several times in the two seconds that a gateway needs to start must
 * not wait for ten more (`pulse bench storm`); doubled, the unlucky one of 500 waited 13 s.
 */
const GROWTH = 1.4;
/** What a close code 41xx asks for at the least. */
export const MEND_FLOOR_MS = 1_000;

/** Full jitter: anything from nothing to the bound, so that a thousand clients do not come back at once. */
export function backoffMs(attempt: number, random: () => number): number {
  return random() * Math.min(LONGEST_MS, FIRST_MS * GROWTH ** Math.min(attempt, 20));
}
