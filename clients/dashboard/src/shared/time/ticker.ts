import { useSyncExternalStore } from "react";
import { every, systemClock } from "@precisionpulse/live";

/** One second hand for the whole page: ages and countdowns move together, with one timer. */
const listeners = new Set<() => void>();
let now = systemClock.now();
let stop: (() => void) | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  stop ??= every(systemClock, 1_000, () => {
    now = systemClock.now();
    for (const one of [...listeners]) one();
  });
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      stop?.();
      stop = undefined;
    }
  };
}

function read(): number {
  // Between two mounts nobody turned the hand.
  if (stop === undefined) now = systemClock.now();
  return now;
}

/** The time to the second, in Unix milliseconds; whoever uses it draws again every second. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, read);
}

/** What follows from the time: whoever uses it draws again only when that is another. */
export function useFromNow<T extends string | number | boolean | undefined>(derive: (now: number) => T): T {
  return useSyncExternalStore(subscribe, () => derive(read()));
}
