import type { LiveClient } from "../client";
import type { Clock } from "../clock";
import type { Topic } from "../frames";
import { Signal } from "../signal";
import type { LiveSubscription, SubscriptionSink, SubscriptionStatus } from "../subscription";

/** A subscription outlives its last user by so long: the next screen often wants the same. */
const LINGER_MS = 5_000;

/** One subscription to a topic, for however many parts of a page want it. */
export class SharedTopic {
  readonly status = new Signal<SubscriptionStatus>({ kind: "waiting" });
  #users = 0;
  #subscription: LiveSubscription | undefined;
  #cancelEnd: (() => void) | undefined;

  constructor(
    private readonly client: LiveClient,
    private readonly clock: Clock,
    private readonly topic: Topic,
    private readonly sink: SubscriptionSink,
  ) {}

  /** Want it until the returned function is called. */
  readonly use = (): (() => void) => {
    this.#users += 1;
    this.#cancelEnd?.();
    this.#cancelEnd = undefined;
    if (this.#subscription === undefined) {
      const subscription = this.client.subscribe({ topic: this.topic }, this.sink);
      this.#subscription = subscription;
      this.status.set(subscription.status.get());
      subscription.status.subscribe(() => {
        if (this.#subscription === subscription) this.status.set(subscription.status.get());
      });
    }
    let isDone = false;
    return () => {
      if (isDone) return;
      isDone = true;
      this.#users -= 1;
      if (this.#users > 0) return;
      this.#cancelEnd = this.clock.after(LINGER_MS, () => {
        this.#subscription?.close();
        this.#subscription = undefined;
      });
    };
  };
}
