import { GAP_INTERVALS, Series } from "@precisionpulse/live";
import type { Span } from "@precisionpulse/live";
import type { components } from "@/shared/api/generated/gateway";

export type SeriesReply = components["schemas"]["SeriesReply"];
export type SeriesItem = components["schemas"]["SeriesItem"];

/** As many points of each series as are asked for when the resolution is automatic. */
export const AUTOMATIC_POINTS = 1_500;
/** Two colours alike in one chart help nobody: the palette has so many. */
export const LINES_A_CHART = 8;
/** Thinned points stand up to two steps apart. */
const THINNED_STEPS = 2;
/** Intervals without readings are left out where nothing fills them: the next point is further than one interval away. */
const LEFT_OUT = 1.5;

const UNITS: Readonly<Record<string, number>> = {
  s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000, mo: 31 * 86_400_000,
};

/** The length of an interval such as `5m`; of months and of days by the clock, the longest. */
export function lengthOf(interval: string): number {
  const [, count, unit] = /^(\d+)([a-z]+)$/.exec(interval) ?? [];
  return Number(count ?? 0) * (UNITS[unit ?? ""] ?? 0);
}

/** A series of the past, whose holes are known from the answer and not guessed from distances. */
class SlottedSeries extends Series {
  constructor(private readonly holes: readonly Span[]) {
    super();
  }

  override gaps(window: Span): Span[] {
    return this.holes.filter((hole) => hole.to > window.from && hole.from < window.to);
  }
}

/** A series of the past as it was recorded: before its first reading nothing is known either. */
class RecordedSeries extends Series {
  constructor(private readonly step: number) {
    super();
  }

  override gaps(window: Span): Span[] {
    const found = super.gaps(window);
    const first = this.times[0];
    const expected = this.expectedInterval;
    if (first === undefined || expected === undefined) return found;
    const isLate = first - window.from > GAP_INTERVALS * Math.max(expected, this.step);
    return isLate ? [{ from: window.from, to: Math.min(first, window.to) }, ...found] : found;
  }
}

/** The stretches between points further apart than `most`. */
function holesOf(times: readonly number[], most: number, whole: Span): Span[] {
  const holes: Span[] = [];
  let before = whole.from;
  for (const [index, at] of times.entries()) {
    if (at - before > most) holes.push({ from: before, to: at });
    before = Math.max(at, whole.from);
    if (index === times.length - 1 && whole.to - at > most) holes.push({ from: at, to: whole.to });
  }
  return times.length === 0 ? [whole] : holes;
}

/** What can be drawn of a series: its numbers, a boolean being 0 or 1. */
export interface Drawn {
  readonly item: SeriesItem;
  readonly series: Series;
  readonly count: number;
  readonly low: number;
  readonly high: number;
  readonly last: number;
}

/** Make a series of the answer drawable; undefined for one without numbers. */
export function drawn(item: SeriesItem, reply: Pick<SeriesReply, "from" | "to" | "interval" | "downsample">): Drawn | undefined {
  const times: number[] = [];
  const values: number[] = [];
  for (const point of item.points) {
    const [at, value] = point;
    if (typeof value !== "number" && typeof value !== "boolean") continue;
    times.push(Number(at));
    values.push(Number(value));
  }
  if (times.length === 0) return undefined;
  const whole = { from: reply.from, to: reply.to };
  const slot = reply.downsample === null ? reply.interval : null;
  const isThinned = slot === null && times.length >= AUTOMATIC_POINTS * 0.9;
  const step = Math.max(item.resolution_ms, isThinned ? (THINNED_STEPS * (whole.to - whole.from)) / AUTOMATIC_POINTS : 0);
  const series = slot === null ? new RecordedSeries(step) : new SlottedSeries(holesOf(times, LEFT_OUT * lengthOf(slot), whole));
  series.fill(times, values, step);
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return { item, series, count: times.length, low, high, last: values.at(-1) ?? Number.NaN };
}

/** Series by metric, in the order of their names; `together`: all in one. */
export function charts(all: readonly Drawn[], isTogether: boolean): readonly (readonly [title: string, lines: readonly Drawn[]])[] {
  if (isTogether) return all.length === 0 ? [] : [["", all]];
  const byMetric = new Map<string, Drawn[]>();
  for (const one of all) {
    const known = byMetric.get(one.item.metric);
    if (known === undefined) byMetric.set(one.item.metric, [one]);
    else known.push(one);
  }
  return [...byMetric].sort(([a], [b]) => a.localeCompare(b));
}
