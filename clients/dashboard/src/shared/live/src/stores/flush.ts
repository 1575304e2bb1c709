/** Asks for one call at the next frame; returns nothing, because what is asked for is always done. */
export type FrameRequest = (run: () => void) => void;

/** An animation frame where there is one to come, else a timer: a hidden page draws no frames. */
export function browserFrames(): FrameRequest {
  return (run) => {
    if (document.visibilityState === "visible") requestAnimationFrame(run);
    else setTimeout(run, 250);
  };
}

/**
 * Tells listeners what changed once a frame, however many messages came. A listener belongs to a key and hears of it at
 * most once a flush.
 */
export class Flush {
  readonly #listeners = new Map<string, Set<() => void>>();
  #dirty = new Set<string>();
  #isAsked = false;

  constructor(private readonly request: FrameRequest) {}

  /** Note that what stands under a key is another. */
  mark(key: string): void {
    this.#dirty.add(key);
    if (this.#isAsked) return;
    this.#isAsked = true;
    this.request(() => {
      this.now();
    });
  }

  /** Tell at once what is waiting to be told. */
  now(): void {
    const dirty = this.#dirty;
    this.#dirty = new Set();
    this.#isAsked = false;
    for (const key of dirty) {
      for (const listener of [...(this.#listeners.get(key) ?? [])]) listener();
    }
  }

  listen(key: string, listener: () => void): () => void {
    const known = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, known);
    known.add(listener);
    return () => {
      known.delete(listener);
      if (known.size === 0 && this.#listeners.get(key) === known) this.#listeners.delete(key);
    };
  }
}
