/** How far a value can be trusted: the words of the product, the same on every screen. */
export type Freshness = "fresh" | "ageing" | "stale" | "offline";

/** Below this nobody sees a difference, and a fast series would flicker. */
const FLOOR_MS = 2_000;
const STALE_AFTER_INTERVALS = 6;
const STALE_FLOOR_MS = 10_000;
/** Nothing is known of a series' rhythm before its second reading; devices speak once a second unless told otherwise. */
const ASSUMED_INTERVAL_MS = 5_000;

/** Fresh below twice the expected interval, stale from six times on; an offline device has no present value. */
export function freshness(ageMs: number, intervalMs: number | undefined, isOffline: boolean): Freshness {
  if (isOffline) return "offline";
  const interval = intervalMs ?? ASSUMED_INTERVAL_MS;
  if (ageMs < Math.max(2 * interval, FLOOR_MS)) return "fresh";
  return ageMs < Math.max(STALE_AFTER_INTERVALS * interval, STALE_FLOOR_MS) ? "ageing" : "stale";
}
