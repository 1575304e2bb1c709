/**
 * The clock that all live charts slide on: one animation frame for all of them. It runs whether data come or not, so a
 * chart neither stands still nor goes blank when a line is slow.
 */
type Step = (frameTime: number) => void;

const steps = new Set<Step>();
const waiting = new Set<() => void>();
let handle: number | undefined;

/** As much of a frame as building may take: a screen of many charts must not keep the press that opened it waiting. */
const BUILDING_MS = 6;

function build(): void {
  const until = performance.now() + BUILDING_MS;
  for (const one of waiting) {
    waiting.delete(one);
    one();
    if (performance.now() >= until) return;
  }
}

function turn(frameTime: number): void {
  build();
  for (const step of steps) step(frameTime);
  handle = steps.size > 0 || waiting.size > 0 ? requestAnimationFrame(turn) : undefined;
}

/** Be called at every animation frame until the returned function is. */
export function onFrame(step: Step): () => void {
  steps.add(step);
  handle ??= requestAnimationFrame(turn);
  return () => {
    steps.delete(step);
  };
}

/** Be called once at one of the next frames, a few of those who ask at a time; the returned function takes it back. */
export function inTurn(one: () => void): () => void {
  waiting.add(one);
  handle ??= requestAnimationFrame(turn);
  return () => {
    waiting.delete(one);
  };
}
