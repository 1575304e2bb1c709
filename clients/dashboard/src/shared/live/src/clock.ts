/** Time as the client sees it; injected, so that a night can pass within a test. Milliseconds throughout. */
export interface Clock {
  now(): number;
  after(ms: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, run) {
    const handle = setTimeout(run, ms);
    return () => {
      clearTimeout(handle);
    };
  },
};

/** Run again and again until the returned function is called. */
export function every(clock: Clock, ms: number, run: () => void): () => void {
  let cancel = clock.after(ms, tick);
  let isOver = false;
  function tick(): void {
    run();
    if (!isOver) cancel = clock.after(ms, tick);
  }
  return () => {
    isOver = true;
    cancel();
  };
}
