import type { DataFrame, GapFrame, MetricValue, SnapshotFrame, TelemetryRow } from "../frames";
import type { SubscriptionSink } from "../subscription";
import { Flush } from "./flush";
import type { FrameRequest } from "./flush";
import { IntervalLearner } from "./interval";
import type { Series } from "./series";

/** The newest value of one metric of one device. Another object when anything about it is another. */
export interface Sample {
  readonly deviceId: string;
  readonly metric: string;
  readonly ts: number;
  readonly value: MetricValue;
  readonly quality: string;
  /** When it is known to be true: its own time, or when it came if its clock is ahead of ours. */
  readonly seenAt: number;
  readonly intervalMs: number | undefined;
  /** Whether this metric ever was between two integers: then it is written with decimals also when it is not. */
  readonly isFractional: boolean;
}

/** A reported hole in what live charts show; REST has what belongs there. */
export interface TelemetryGap {
  readonly from: number;
  readonly to: number;
  readonly deviceIds: readonly string[] | undefined;
  readonly reason: GapFrame["reason"];
}

const keyOf = (deviceId: string, metric: string): string => `${deviceId}\n${metric}`;

/** Latest values and recent series of everything that is watched. Newest timestamp wins; twice is harmless. */
export class TelemetryStore {
  readonly #samples = new Map<string, Sample>();
  readonly #learners = new Map<string, IntervalLearner>();
  readonly #metrics = new Map<string, readonly string[]>();
  readonly #series = new Map<string, Set<Series>>();
  readonly #gapListeners = new Set<(gap: TelemetryGap) => void>();
  #devices: readonly string[] = [];
  readonly #flush: Flush;

  constructor(
    frames: FrameRequest,
    private readonly now: () => number,
  ) {
    this.#flush = new Flush(frames);
  }

  sample(deviceId: string, metric: string): Sample | undefined {
    return this.#samples.get(keyOf(deviceId, metric));
  }

  /** The metrics that a device has values of, in order of their names; the same array until there is a new one. */
  metrics(deviceId: string): readonly string[] {
    return this.#metrics.get(deviceId) ?? NONE;
  }

  /** When the newest value of a device was true; undefined when there is none. */
  newest(deviceId: string): number | undefined {
    let newest: number | undefined;
    for (const metric of this.metrics(deviceId)) {
      const seenAt = this.sample(deviceId, metric)?.seenAt;
      if (seenAt !== undefined && (newest === undefined || seenAt > newest)) newest = seenAt;
    }
    return newest;
  }

  /** How often a device speaks, in milliseconds: by the metric that is heard most often. */
  rhythm(deviceId: string): number | undefined {
    let fastest: number | undefined;
    for (const metric of this.metrics(deviceId)) {
      const interval = this.sample(deviceId, metric)?.intervalMs;
      if (interval !== undefined && (fastest === undefined || interval < fastest)) fastest = interval;
    }
    return fastest;
  }

  /** The devices that there are values of. */
  devices(): readonly string[] {
    return this.#devices;
  }

  samples(): IterableIterator<Sample> {
    return this.#samples.values();
  }

  onSample(deviceId: string, metric: string, listener: () => void): () => void {
    return this.#flush.listen(keyOf(deviceId, metric), listener);
  }

  /** Hear of any new value of a device. */
  onDevice(deviceId: string, listener: () => void): () => void {
    return this.#flush.listen(deviceId, listener);
  }

  /** Hear of any new value at all. */
  onAny(listener: () => void): () => void {
    return this.#flush.listen("", listener);
  }

  /** Hear of reported holes. */
  onGap(listener: (gap: TelemetryGap) => void): () => void {
    this.#gapListeners.add(listener);
    return () => {
      this.#gapListeners.delete(listener);
    };
  }

  /** Put every reading of a metric into a series as well, until the returned function is called. */
  feed(deviceId: string, metric: string, series: Series): () => void {
    const key = keyOf(deviceId, metric);
    const fed = this.#series.get(key) ?? new Set();
    this.#series.set(key, fed);
    fed.add(series);
    return () => {
      fed.delete(series);
      if (fed.size === 0 && this.#series.get(key) === fed) this.#series.delete(key);
    };
  }

  /** What feeds this store from `telemetry.latest` or `telemetry.raw`. */
  readonly sink: SubscriptionSink = {
    snapshot: (frame: SnapshotFrame) => {
      this.apply(frame.rows ?? []);
    },
    data: (frame: DataFrame) => {
      this.apply(frame.rows);
    },
    gap: (frame: GapFrame) => {
      const gap = { from: frame.from_ts, to: frame.to_ts, deviceIds: frame.device_ids ?? undefined, reason: frame.reason };
      for (const listener of this.#gapListeners) listener(gap);
    },
  };

  apply(rows: readonly TelemetryRow[]): void {
    const now = this.now();
    for (const row of rows) this.#take(row, now);
    if (rows.length > 0) this.#flush.mark("");
  }

  /** Forget a device that is gone, or no longer ours to see. */
  forget(deviceId: string): void {
    for (const metric of this.metrics(deviceId)) {
      const key = keyOf(deviceId, metric);
      this.#samples.delete(key);
      this.#learners.delete(key);
      this.#flush.mark(key);
    }
    this.#metrics.delete(deviceId);
    this.#devices = this.#devices.filter((id) => id !== deviceId);
    this.#flush.mark(deviceId);
    this.#flush.mark("");
  }

  /** Forget everything: somebody else is looking. */
  clear(): void {
    for (const deviceId of [...this.#devices]) this.forget(deviceId);
  }

  #take([deviceId, metric, ts, value, quality]: TelemetryRow, now: number): void {
    const key = keyOf(deviceId, metric);
    if (typeof value !== "string") for (const series of this.#series.get(key) ?? []) series.add(ts, Number(value));
    const known = this.#samples.get(key);
    if (known !== undefined && known.ts > ts) return;
    if (known === undefined) this.#addMetric(deviceId, metric);
    let learner = this.#learners.get(key);
    if (learner === undefined) this.#learners.set(key, (learner = new IntervalLearner()));
    if (known !== undefined) learner.add(ts - known.ts);
    const seenAt = Math.min(ts, now);
    const isFractional = known?.isFractional === true || (typeof value === "number" && !Number.isInteger(value));
    this.#samples.set(key, { deviceId, metric, ts, value, quality, seenAt, intervalMs: learner.expected, isFractional });
    this.#flush.mark(key);
    this.#flush.mark(deviceId);
  }

  #addMetric(deviceId: string, metric: string): void {
    const known = this.#metrics.get(deviceId);
    if (known === undefined) this.#devices = [...this.#devices, deviceId].sort();
    this.#metrics.set(deviceId, [...(known ?? []), metric].sort());
  }
}

const NONE: readonly string[] = [];
