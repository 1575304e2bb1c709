import type { LiveClient } from "../client";
import type { Clock } from "../clock";
import type { Filter } from "../frames";
import type { LiveSubscription, SubscriptionSink } from "../subscription";

/** Screens mount and unmount in bursts; the subscription follows once they came to rest. */
const REST_MS = 60;
/** What a filter may name at most; above it everything in scope is asked for. */
const MAX_DEVICES = 200;
const MAX_METRICS = 64;

/** What one part of a screen wants to see; without devices, all of them. */
export interface Want {
  readonly deviceIds?: readonly string[];
  readonly metrics?: readonly string[];
}

/**
 * Everything that a page wants of one telemetry topic, as one subscription: the filter grows and shrinks with what is
 * on the screen. The new one starts where the old one was, and the old one ends after it: nothing is lost between.
 */
export class TelemetryDemand {
  readonly #wants = new Set<Want>();
  #subscription: LiveSubscription | undefined;
  #asked: string | undefined;
  #cancel: (() => void) | undefined;

  constructor(
    private readonly client: LiveClient,
    private readonly clock: Clock,
    private readonly topic: "telemetry.latest" | "telemetry.raw",
    private readonly sink: SubscriptionSink,
    private readonly intervalMs: number,
  ) {}

  want(want: Want): () => void {
    this.#wants.add(want);
    this.#settleSoon();
    return () => {
      if (this.#wants.delete(want)) this.#settleSoon();
    };
  }

  #settleSoon(): void {
    this.#cancel ??= this.clock.after(REST_MS, () => {
      this.#cancel = undefined;
      this.#settle();
    });
  }

  #settle(): void {
    const filter = this.#filter();
    const asked = filter === undefined ? undefined : JSON.stringify(filter);
    if (asked === this.#asked) return;
    this.#asked = asked;
    const old = this.#subscription;
    const { position } = old ?? {};
    this.#subscription =
      filter === undefined
        ? undefined
        : this.client.subscribe(
            {
              topic: this.topic,
              filter,
              intervalMs: this.intervalMs,
              // A log goes on where it was; a state begins with what the new filter adds.
              ...(this.topic === "telemetry.raw" && position !== undefined ? { since: position } : {}),
            },
            this.sink,
          );
    old?.close();
  }

  #filter(): Filter | undefined {
    if (this.#wants.size === 0) return undefined;
    const devices = new Set<string>();
    const metrics = new Set<string>();
    let isEveryDevice = false;
    let isEveryMetric = false;
    for (const want of this.#wants) {
      if (want.deviceIds === undefined) isEveryDevice = true;
      else for (const id of want.deviceIds) devices.add(id);
      if (want.metrics === undefined) isEveryMetric = true;
      else for (const metric of want.metrics) metrics.add(metric);
    }
    if (!isEveryDevice && devices.size === 0) return undefined;
    return {
      ...(isEveryDevice || devices.size > MAX_DEVICES ? {} : { device_ids: [...devices].sort() }),
      ...(isEveryMetric || metrics.size > MAX_METRICS ? {} : { metrics: [...metrics].sort() }),
    };
  }
}
