import type {
  AckFrame,
  DataFrame,
  ErrorCode,
  EventFrame,
  Filter,
  GapFrame,
  Position,
  SnapshotFrame,
  StateFrame,
  Topic,
} from "./frames";
import { STATE_TOPICS } from "./frames";
import { Signal } from "./signal";
import type { Readable } from "./signal";

export interface SubscriptionRequest {
  readonly topic: Topic;
  readonly filter?: Filter;
  readonly intervalMs?: number;
  /** Where to go on from: what a REST answer carried as `live`. */
  readonly since?: Position;
  readonly snapshot?: boolean;
}

/** Takes what a subscription brings. What throws here is reported, and its offset is not stored. */
export interface SubscriptionSink {
  snapshot?(frame: SnapshotFrame): void;
  data?(frame: DataFrame): void;
  state?(frame: StateFrame): void;
  events?(frame: EventFrame): void;
  gap?(frame: GapFrame): void;
}

export type SubscriptionStatus =
  | { readonly kind: "waiting" }
  | { readonly kind: "live" }
  | { readonly kind: "refused"; readonly code: ErrorCode; readonly isRetryable: boolean };

export interface LiveSubscription {
  readonly status: Readable<SubscriptionStatus>;
  readonly position: Position | undefined;
  tune(intervalMs: number): void;
  close(): void;
}

/** One subscription for as long as somebody wants it, over however many connections that takes. */
export class Subscription {
  readonly status = new Signal<SubscriptionStatus>({ kind: "waiting" });
  position: Position | undefined;
  /** Whether the server knows it on this connection. */
  isAsked = false;
  #epoch: string | undefined;
  #isSnapshotOpen = false;

  constructor(
    readonly name: string,
    readonly request: SubscriptionRequest,
    readonly sink: SubscriptionSink,
    public intervalMs: number | undefined,
  ) {
    this.position = request.since;
    this.#epoch = request.since?.epoch;
  }

  /** A connection ended: the position stays, a half-read snapshot does not count. */
  lineLost(): void {
    this.isAsked = false;
    if (this.#isSnapshotOpen) this.position = undefined;
    this.#isSnapshotOpen = false;
    if (this.status.get().kind === "live") this.status.set({ kind: "waiting" });
  }

  /** The server answered `subscribe`, or `tune` with a new start. */
  started(ack: AckFrame): void {
    if (ack.epoch !== null) {
      this.#epoch = ack.epoch;
      if (ack.recovered === true) {
        // The replay comes now: until it is applied, the position is where we were.
      } else if (STATE_TOPICS.has(this.request.topic) && this.request.snapshot !== false) {
        this.#isSnapshotOpen = true;
        this.position = undefined;
      } else if (ack.offset !== null) {
        this.position = { epoch: ack.epoch, offset: ack.offset };
      }
    }
    this.status.set({ kind: "live" });
  }

  applySnapshot(frame: SnapshotFrame): void {
    if (frame.page === 0) this.#isSnapshotOpen = true;
    this.#epoch = frame.epoch;
    this.sink.snapshot?.(frame);
    if (frame.last) {
      this.#isSnapshotOpen = false;
      this.advance(frame.offset);
    }
  }

  /** Note how far we are; only after what came was applied. */
  advance(offset: string): void {
    if (this.#epoch === undefined || this.#isSnapshotOpen) return;
    this.position = { epoch: this.#epoch, offset };
  }
}
