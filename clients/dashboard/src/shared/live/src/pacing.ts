import type { Clock } from "./clock";

/** Below the protocol's 10 messages a second and its burst of 30, so that a busy page is never refused. */
const PER_SECOND = 8;
const BURST = 24;
/** More frames than any page has reasons for; the oldest goes, and the next connection asks for everything anyway. */
const LONGEST = 256;

/** Sends frames no faster than the protocol allows. */
export class PacedSender {
  readonly #queue: string[] = [];
  #tokens = BURST;
  #filledAt: number;
  #cancel: (() => void) | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly send: (text: string) => void,
  ) {
    this.#filledAt = clock.now();
  }

  put(text: string): void {
    this.#queue.push(text);
    if (this.#queue.length > LONGEST) this.#queue.shift();
    this.#drain();
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#queue.length = 0;
  }

  #drain(): void {
    const now = this.clock.now();
    this.#tokens = Math.min(BURST, this.#tokens + ((now - this.#filledAt) / 1000) * PER_SECOND);
    this.#filledAt = now;
    while (this.#tokens >= 1) {
      const text = this.#queue.shift();
      if (text === undefined) return;
      this.#tokens -= 1;
      this.send(text);
    }
    if (this.#queue.length > 0 && this.#cancel === undefined) {
      this.#cancel = this.clock.after(1000 / PER_SECOND, () => {
        this.#cancel = undefined;
        this.#drain();
      });
    }
  }
}
