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

/** A page of history holds at most so many rows; a live window shows fewer points than that. */
const PAGE = 1_000;
const PAGES = 4;

async function backfill(source: Source, series: Series, from: number, to: number): Promise<number> {
  const times: number[] = [];
  const values: number[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < PAGES; page += 1) {
    const { data } = await api.GET("/api/telemetry/history", {
      params: {
        query: {
          device_id: source.deviceId,
          metric: [source.metric],
          from: new Date(from).toISOString(),
          to: new Date(to).toISOString(),
          order: "desc",
          limit: PAGE,
          ...(cursor === undefined ? {} : { cursor }),
        },
      },
    });
    for (const item of data?.items ?? []) {
      if (typeof item.value === "string") continue;
      times.push(item.ts);
      values.push(Number(item.value));
    }
    if (data?.next_cursor === null || data === undefined) break;
    cursor = data.next_cursor;
  }
  return series.fill(times.reverse(), values.reverse());
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
