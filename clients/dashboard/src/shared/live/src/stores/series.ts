import { IntervalLearner } from "./interval";

/** Ten minutes at 10 Hz and then some. */
const KEPT_POINTS = 8_192;
/** A line breaks, and the span is hatched, where readings are further apart than so many expected intervals. */
export const GAP_INTERVALS = 2.5;

/** A stretch of time in which nothing is known, in Unix milliseconds. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/**
 * The newest points of one series, by time, in contiguous arrays that a chart can draw without a copy. The oldest go
 * when it is full. One point a millisecond: a second one of the same time replaces the first.
 */
export class Series {
  #times = new Float64Array(256);
  #values = new Float64Array(256);
  #start = 0;
  #end = 0;
  readonly #learner = new IntervalLearner();
  #resolution = 0;
  /** Counts changes, so that whoever draws knows whether to. */
  version = 0;

  get length(): number {
    return this.#end - this.#start;
  }

  get times(): Float64Array {
    return this.#times.subarray(this.#start, this.#end);
  }

  get values(): Float64Array {
    return this.#values.subarray(this.#start, this.#end);
  }

  get expectedInterval(): number | undefined {
    return this.#learner.expected;
  }

  get last(): number | undefined {
    return this.length === 0 ? undefined : this.#times[this.#end - 1];
  }

  /** Take a reading; it may be older than what is here. */
  add(ts: number, value: number): void {
    const last = this.last;
    this.version += 1;
    if (last === undefined || ts > last) {
      if (last !== undefined) this.#learner.add(ts - last);
      this.#append(ts, value);
      return;
    }
    if (ts === last) this.#values[this.#end - 1] = value;
    else this.fill([ts], [value]);
  }

  /**
   * Merge readings, in order of time, with what is here; returns how many were not known. `resolution`: these were thinned,
   * and so many milliseconds between two of them are no hole.
   */
  fill(times: ArrayLike<number>, values: ArrayLike<number>, resolution = 0): number {
    this.#resolution = Math.max(this.#resolution, resolution);
    const oldTimes = this.times.slice();
    const oldValues = this.values.slice();
    const before = this.length;
    this.#start = this.#end = 0;
    let old = 0;
    for (let i = 0; i < times.length; i += 1) {
      const ts = times[i] ?? 0;
      while (old < before && (oldTimes[old] ?? 0) < ts) {
        this.#append(oldTimes[old] ?? 0, oldValues[old] ?? 0);
        old += 1;
      }
      if (old < before && oldTimes[old] === ts) old += 1;
      this.#append(ts, values[i] ?? 0);
    }
    for (; old < before; old += 1) this.#append(oldTimes[old] ?? 0, oldValues[old] ?? 0);
    if (this.#learner.expected === undefined) {
      for (let i = this.#start + 1; i < this.#end; i += 1) {
        this.#learner.add((this.#times[i] ?? 0) - (this.#times[i - 1] ?? 0));
      }
    }
    this.version += 1;
    return Math.max(0, this.length - before);
  }

  /** The holes between the points of a window, and from the last point to its end. */
  gaps(window: Span): Span[] {
    const expected = this.expectedInterval;
    if (expected === undefined) return [];
    const limit = GAP_INTERVALS * Math.max(expected, this.#resolution);
    const found: Span[] = [];
    for (let i = this.#firstFrom(window.from); i < this.#end; i += 1) {
      const here = this.#times[i] ?? 0;
      const before = i > this.#start ? (this.#times[i - 1] ?? 0) : undefined;
      if (before !== undefined && here - before > limit) found.push({ from: before, to: here });
      if (here > window.to) return found;
    }
    const last = this.last;
    if (last !== undefined && window.to - last > Math.max(limit, 2_000)) found.push({ from: last, to: window.to });
    return found;
  }

  #firstFrom(ts: number): number {
    let low = this.#start;
    let high = this.#end;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#times[middle] ?? 0) < ts) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #append(ts: number, value: number): void {
    if (this.#end === this.#times.length) this.#makeRoom();
    this.#times[this.#end] = ts;
    this.#values[this.#end] = value;
    this.#end += 1;
    if (this.length > KEPT_POINTS) this.#start += 1;
  }

  #makeRoom(): void {
    if (this.#start > this.#times.length >> 1 || this.#times.length >= 2 * KEPT_POINTS) {
      this.#times.copyWithin(0, this.#start, this.#end);
      this.#values.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
      return;
    }
    const times = new Float64Array(this.#times.length * 2);
    const values = new Float64Array(this.#values.length * 2);
    times.set(this.#times);
    values.set(this.#values);
    this.#times = times;
    this.#values = values;
  }
}
