import uPlot from "uplot";
import type { Series, Span } from "@precisionpulse/live";

/** Series on one axis of time, as a chart wants them: a point that one has and another has not is undefined there. */
export function joined(series: readonly Series[]): uPlot.AlignedData {
  const [only] = series;
  if (series.length === 1 && only !== undefined) return [only.times, only.values];
  return uPlot.join(series.map((one) => [one.times, one.values] as uPlot.AlignedData));
}

/** The spans that are missing in every one of the series: there is nothing at all to see there. */
export function commonGaps(gaps: readonly (readonly Span[])[]): Span[] {
  const [first, ...others] = gaps;
  let common = [...(first ?? [])];
  for (const other of others) {
    common = common.flatMap((mine) =>
      other
        .map((theirs) => ({ from: Math.max(mine.from, theirs.from), to: Math.min(mine.to, theirs.to) }))
        .filter((span) => span.to > span.from),
    );
  }
  return common;
}
