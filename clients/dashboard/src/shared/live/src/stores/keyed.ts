import type { SnapshotFrame, StateFrame } from "../frames";
import type { SubscriptionSink } from "../subscription";
import { Flush } from "./flush";
import type { FrameRequest } from "./flush";

/** The objects of a state topic, by key. A snapshot replaces everything from its page 0 on. */
export class KeyedStore<T> {
  #objects = new Map<string, T>();
  #arriving: Map<string, T> | undefined;
  #all: ReadonlyMap<string, T> = new Map();
  #isAllStale = false;
  /** When anything was last told; undefined before the first snapshot. */
  updatedAt: number | undefined;
  readonly #flush: Flush;

  constructor(
    frames: FrameRequest,
    private readonly now: () => number,
    private readonly onRemoved: (key: string) => void = () => undefined,
  ) {
    this.#flush = new Flush(frames);
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  /** All of them; the same map until one changed. */
  readonly all = (): ReadonlyMap<string, T> => {
    if (this.#isAllStale) {
      this.#all = new Map(this.#objects);
      this.#isAllStale = false;
    }
    return this.#all;
  };

  onKey(key: string, listener: () => void): () => void {
    return this.#flush.listen(`=${key}`, listener);
  }

  readonly onAny = (listener: () => void): (() => void) => this.#flush.listen("", listener);

  readonly sink: SubscriptionSink = {
    snapshot: (frame: SnapshotFrame) => {
      if (frame.page === 0 || this.#arriving === undefined) this.#arriving = new Map();
      for (const [key, value] of Object.entries(frame.set ?? {})) this.#arriving.set(key, value as T);
      if (frame.last) {
        this.replace(this.#arriving);
        this.#arriving = undefined;
      }
    },
    state: (frame: StateFrame) => {
      for (const [key, value] of Object.entries(frame.set)) {
        this.#objects.set(key, value as T);
        this.#mark(key);
      }
      for (const key of frame.del) this.#remove(key);
      this.updatedAt = this.now();
    },
  };

  /** Take these for all there is: a snapshot, or what was kept from the last visit. */
  replace(objects: ReadonlyMap<string, T>, at: number = this.now()): void {
    for (const key of [...this.#objects.keys()]) if (!objects.has(key)) this.#remove(key);
    for (const [key, value] of objects) {
      this.#objects.set(key, value);
      this.#mark(key);
    }
    this.updatedAt = at;
    this.#isAllStale = true;
    this.#flush.mark("");
  }

  #remove(key: string): void {
    if (!this.#objects.delete(key)) return;
    this.#mark(key);
    this.onRemoved(key);
  }

  #mark(key: string): void {
    this.#isAllStale = true;
    this.#flush.mark(`=${key}`);
    this.#flush.mark("");
  }
}
