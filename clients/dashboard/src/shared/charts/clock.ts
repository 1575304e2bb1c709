/**
 * The clock that all live charts slide on: one animation frame for all of them. It runs whether data come or not, so a
 * chart neither stands still nor goes blank when a line is slow.
 */
type Step = (frameTime: number) => void;

const steps = new Set<Step>();
let handle: number | undefined;

function turn(frameTime: number): void {
  for (const step of steps) step(frameTime);
  handle = steps.size > 0 ? requestAnimationFrame(turn) : undefined;
}

/** Be called at every animation frame until the returned function is. */
export function onFrame(step: Step): () => void {
  steps.add(step);
  handle ??= requestAnimationFrame(turn);
  return () => {
    steps.delete(step);
  };
}
