import { Series } from "@precisionpulse/live";
import type { TelemetryGap } from "@precisionpulse/live";
import { useEffect, useMemo } from "react";
import { api } from "../api/client";
import { live, rawDemand, telemetry } from "../streams/live";

/** One metric of one device. */
export interface Source {
  readonly deviceId: string;
  readonly metric: string;
}

/** More points than a chart has pixels; above it the server thins them. */
const MAX_POINTS = 3_000;

async function backfill(source: Source, series: Series, from: number, to: number): Promise<number> {
  const { data } = await api.GET("/api/telemetry/history", {
    params: {
      query: {
        device_id: [source.deviceId],
        metric: [source.metric],
        from: new Date(from).toISOString(),
        to: new Date(to).toISOString(),
        max_points: MAX_POINTS,
      },
    },
  });
  const points = data !== undefined && "series" in data ? (data.series[0]?.points ?? []) : [];
  const numbers = points.filter((point) => typeof point[1] === "number" || typeof point[1] === "boolean");
  // Thinned points stand up to two steps apart.
  const resolution = points.length < MAX_POINTS * 0.9 ? 0 : (2 * (to - from)) / MAX_POINTS;
  return series.fill(numbers.map((point) => Number(point[0])), numbers.map((point) => Number(point[1])), resolution);
}

/**
 * The recent points of some series, live: what is already stored is read once, every sample comes over the line, and a
 * reported hole is read again. The same array until the sources are others.
 */
export function useSeries(sources: readonly Source[], windowMs: number): readonly Series[] {
  const key = JSON.stringify(sources.map(({ deviceId, metric }) => [deviceId, metric]));
  const wanted = useMemo(
    () => (JSON.parse(key) as [string, string][]).map(([deviceId, metric]): Source => ({ deviceId, metric })),
    [key],
  );
  const drawn = useMemo(() => wanted.map((source) => ({ source, series: new Series() })), [wanted]);

  useEffect(() => {
    const ends = drawn.map(({ source, series }) => telemetry.feed(source.deviceId, source.metric, series));
    const release = rawDemand.want({
      deviceIds: [...new Set(wanted.map((source) => source.deviceId))],
      metrics: [...new Set(wanted.map((source) => source.metric))],
    });
    const read = (from: number, to: number, gap?: TelemetryGap): void => {
      for (const { source, series } of drawn) {
        if (gap?.deviceIds !== undefined && !gap.deviceIds.includes(source.deviceId)) continue;
        // A chart without its past is still a chart; the next gap or window asks again.
        backfill(source, series, from, to).then(
          (points) => {
            if (gap !== undefined) live.noteRecovered(points);
          },
          () => undefined,
        );
      }
    };
    const now = live.serverNow();
    read(now - windowMs, now + 1_000);
    const off = telemetry.onGap((gap) => {
      const oldest = live.serverNow() - windowMs;
      if (gap.to >= oldest) read(Math.max(gap.from, oldest), gap.to + 1_000, gap);
    });
    return () => {
      off();
      release();
      for (const end of ends) end();
    };
  }, [wanted, drawn, windowMs]);

  return useMemo(() => drawn.map((one) => one.series), [drawn]);
}
