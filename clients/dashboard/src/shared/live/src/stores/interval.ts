/** So many distances make a guess; a median of few forgives the one that an outage stretched. */
const KEPT = 7;

/** Learns how often a series speaks, from the distances between its readings. */
export class IntervalLearner {
  readonly #distances: number[] = [];
  #next = 0;
  #median: number | undefined;

  /** Take the distance between two neighbouring readings, in milliseconds. */
  add(distance: number): void {
    if (distance <= 0) return;
    this.#distances[this.#next] = distance;
    this.#next = (this.#next + 1) % KEPT;
    this.#median = undefined;
  }

  /** The expected interval in milliseconds; undefined before the first distance. */
  get expected(): number | undefined {
    if (this.#median === undefined && this.#distances.length > 0) {
      const sorted = [...this.#distances].sort((a, b) => a - b);
      this.#median = sorted[(sorted.length - 1) >> 1];
    }
    return this.#median;
  }
}
