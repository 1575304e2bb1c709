import { Series } from "@precisionpulse/live";
import { useQuery } from "@tanstack/react-query";
import { api, query } from "@/shared/api/client";
import { Chart } from "@/shared/charts/chart";
import type { Line } from "@/shared/charts/chart";
import { useText } from "@/shared/i18n/messages";
import { live } from "@/shared/streams/live";
import { Await, Skeleton } from "@/shared/ui/states";
import { around, severityTone } from "../model/alarm";
import type { Alarm } from "../model/alarm";
import { levelOf } from "../model/level";
import { alertTexts } from "../texts";

const MAX_POINTS = 800;
/** An alarm that stands goes on: so does its chart. */
const AGAIN_MS = 10_000;
const SLOTS = { bad: 6, warn: 1, info: 5, ok: 2, mute: 7 } as const;

async function read(deviceId: string, metric: string, span: { from: number; to: number }, signal: AbortSignal): Promise<Series> {
  const { data } = await api.GET("/api/telemetry/history", {
    params: {
      query: {
        device_id: [deviceId],
        metric: [metric],
        from: new Date(span.from).toISOString(),
        to: new Date(span.to).toISOString(),
        max_points: MAX_POINTS,
      },
    },
    signal,
  });
  const points = data !== undefined && "series" in data ? (data.series[0]?.points ?? []) : [];
  const numbers = points.filter((point) => typeof point[1] === "number" || typeof point[1] === "boolean");
  // Thinned points stand up to two steps apart.
  const resolution = points.length < MAX_POINTS * 0.9 ? 0 : (2 * (span.to - span.from)) / MAX_POINTS;
  const series = new Series();
  series.fill(numbers.map((point) => Number(point[0])), numbers.map((point) => Number(point[1])), resolution);
  return series;
}

/** The metric before, during and after an alarm, with the level that its rule has now. */
export function AlarmChart({ alarm, metric }: { alarm: Alarm; metric: string }) {
  const t = useText(alertTexts);
  const past = useQuery({
    queryKey: ["get", "/api/telemetry/history", "around", alarm.id, alarm.cleared_at],
    queryFn: async ({ signal }) => {
      const span = around(alarm, live.serverNow());
      return { span, series: await read(alarm.device_id, metric, span, signal) };
    },
    refetchInterval: alarm.cleared_at === null ? AGAIN_MS : false,
  });
  const rule = query.useQuery("get", "/api/alert-rules/{rule_id}", { params: { path: { rule_id: alarm.rule_id } } });
  const level = rule.data === undefined ? undefined : levelOf(rule.data.condition);
  return (
    <Await asked={past} loading={<Skeleton className="h-44" />}>
      {({ span, series }) => {
        if (series.length === 0) return <p className="text-sm text-ink-soft">{t("noChart")}</p>;
        const lines: Line[] = [{ name: metric, series, color: 0 }];
        if (level !== undefined) {
          const flat = new Series();
          flat.fill([span.from, span.to], [level, level]);
          lines.push({ name: t("level"), series: flat, color: SLOTS[severityTone(alarm.severity)] });
        }
        return (
          <div className="h-44">
            <Chart
              key={past.dataUpdatedAt}
              lines={lines}
              window={span}
              label={t("chart")}
              style={typeof alarm.value === "boolean" ? "steps" : "line"}
              hasLegend
              sync={`alarm ${alarm.id}`}
            />
          </div>
        );
      }}
    </Await>
  );
}
