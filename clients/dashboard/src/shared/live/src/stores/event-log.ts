import type { EventFrame, EventItem } from "../frames";
import type { SubscriptionSink } from "../subscription";
import { Flush } from "./flush";
import type { FrameRequest } from "./flush";

/** The newest events kept; older ones are read page by page over REST. The oldest goes. */
const KEPT = 500;

/** The newest events of a log topic, each once, the newest first. */
export class EventLog {
  #items: readonly EventItem[] = [];
  readonly #ids = new Set<string>();
  readonly #listeners = new Set<(items: readonly EventItem[]) => void>();
  readonly #flush: Flush;

  constructor(frames: FrameRequest) {
    this.#flush = new Flush(frames);
  }

  /** The same array until there is a new one. */
  readonly items = (): readonly EventItem[] => this.#items;

  readonly onAny = (listener: () => void): (() => void) => this.#flush.listen("", listener);

  /** Hear every new event once, at once: to bring lists from REST up to date. */
  onEvents(listener: (items: readonly EventItem[]) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  clear(): void {
    this.#items = [];
    this.#ids.clear();
    this.#flush.mark("");
  }

  readonly sink: SubscriptionSink = {
    events: (frame: EventFrame) => {
      const fresh = frame.items.filter((item) => !this.#ids.has(item.id));
      if (fresh.length === 0) return;
      for (const item of fresh) this.#ids.add(item.id);
      const items = [...fresh, ...this.#items].sort((a, b) => b.ts - a.ts);
      for (const item of items.splice(KEPT)) this.#ids.delete(item.id);
      this.#items = items;
      this.#flush.mark("");
      for (const listener of [...this.#listeners]) listener(fresh);
    },
  };
}
