import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { Chart } from "@/shared/charts/chart";
import type { Line } from "@/shared/charts/chart";
import { api } from "@/shared/api/client";
import { ApiProblem } from "@/shared/api/problem";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { useStates } from "@/shared/streams/hooks";
import { Panel } from "@/shared/ui/panel";
import { Await, EmptyState } from "@/shared/ui/states";
import { Table } from "@/shared/ui/table";
import type { Column } from "@/shared/ui/table";
import { askedSeries, zoneOf } from "../model/asked";
import { asSearch } from "../model/filters";
import type { HistoryFilters, Stretch } from "../model/filters";
import { AUTOMATIC_POINTS, LINES_A_CHART, charts, drawn } from "../model/lines";
import type { Drawn, SeriesReply } from "../model/lines";
import { historyTexts } from "../texts";
import { TooMuch, isTooMuch } from "./too-much";

interface CurvesProps {
  readonly filters: HistoryFilters;
  readonly stretch: Stretch;
  readonly onChange: (change: Record<string, unknown>) => void;
}

/** The chosen series over the stretch, one chart for each metric, and how each was made. */
export function Curves({ filters, stretch, onChange }: CurvesProps) {
  const question = askedSeries(filters, stretch);
  const answer = useQuery({
    queryKey: ["get", "/api/telemetry/history", question],
    queryFn: async ({ signal }) => {
      const { data } = await api.GET("/api/telemetry/history", { params: { query: question }, signal });
      // The path answers with pages of readings too, when they are asked for; they were not.
      return data as SeriesReply;
    },
    placeholderData: keepPreviousData,
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (answer.error instanceof ApiProblem && isTooMuch(answer.error)) {
    return <TooMuch problem={answer.error} filters={filters} onChange={onChange} />;
  }
  return (
    <div aria-busy={answer.isFetching}>
      <Await asked={answer}>{(reply) => <Answer key={answer.dataUpdatedAt} reply={reply} filters={filters} onChange={onChange} />}</Await>
    </div>
  );
}

function Answer({ reply, filters, onChange }: { reply: SeriesReply } & Omit<CurvesProps, "stretch">) {
  const t = useText(historyTexts);
  const all = useMemo(() => reply.series.map((item) => drawn(item, reply)).filter((one) => one !== undefined), [reply]);
  const groups = useMemo(() => charts(all, filters.view === "together"), [all, filters.view]);
  const window = useMemo(() => ({ from: reply.from, to: reply.to }), [reply]);
  const undrawn = [
    ...reply.skipped.map((item) => `${item.device_id} ${item.metric} (${t("textSeries")})`),
    ...reply.series.filter((item) => item.kind === "text").map((item) => `${item.device_id} ${item.metric} (${t("textSeries")})`),
  ];
  if (all.length === 0) {
    return (
      <EmptyState title={t("nothing")}>
        {t("nothingHint")}
        {undrawn.length > 0 && <p className="mt-2">{t("skipped", { names: undrawn.join(", ") })}</p>}
      </EmptyState>
    );
  }
  return (
    <div className="flex flex-col gap-4">
      <p className="text-xs text-ink-faint">{t("zoomHint")}</p>
      <div className={groups.length > 1 ? "grid gap-4 xl:grid-cols-2" : ""}>
        {groups.map(([metric, lines]) => (
          <OneChart
            key={metric}
            title={metric === "" ? t("allTogether") : metric}
            isByMetric={metric !== ""}
            all={lines}
            window={window}
            onZoom={(span) => {
              onChange(asSearch({ from: Math.round(span.from), to: Math.round(span.to) }));
            }}
          />
        ))}
      </div>
      <Made reply={reply} all={all} filters={filters} undrawn={undrawn} />
    </div>
  );
}

function OneChart({ title, isByMetric, all, window, onZoom }: {
  title: string;
  isByMetric: boolean;
  all: readonly Drawn[];
  window: Stretch;
  onZoom: (span: Stretch) => void;
}) {
  const t = useText(historyTexts);
  const devices = useStates("devices");
  const lines = useMemo(
    () =>
      all.slice(0, LINES_A_CHART).map(({ item, series }, color): Line => {
        const device = devices.get(item.device_id)?.name ?? item.device_id;
        return { name: isByMetric ? device : `${device} ${item.metric}`, series, color };
      }),
    [all, devices, isByMetric],
  );
  const more = all.length - lines.length;
  // One reading makes no line, and is to be seen all the same.
  const style = all.every(({ count }) => count < 3) ? "points" : "line";
  return (
    <Panel title={title}>
      <div className="h-64">
        <Chart lines={lines} window={window} label={title} style={style} hasLegend onZoom={onZoom} sync="history" />
      </div>
      {more > 0 && <p className="mt-2 text-xs text-warn">{t("moreLines", { count: more })}</p>}
    </Panel>
  );
}

function Made({ reply, all, filters, undrawn }: {
  reply: SeriesReply;
  all: readonly Drawn[];
  filters: HistoryFilters;
  undrawn: readonly string[];
}) {
  const t = useText(historyTexts);
  const format = useFormat();
  const devices = useStates("devices");
  const columns = useMemo((): Column<Drawn>[] => [
    {
      id: "series",
      header: t("series"),
      accessorFn: ({ item }) => `${devices.get(item.device_id)?.name ?? item.device_id} ${item.metric}`,
      meta: { width: "2" },
    },
    { id: "source", header: t("source"), accessorFn: ({ item }) => t(item.source), meta: { width: "7rem", from: 30 } },
    {
      id: "step",
      header: t("step"),
      accessorFn: ({ item }) => item.resolution_ms,
      meta: { width: "8rem", from: 60 },
      cell: ({ row: { original: { item } } }) =>
        reply.interval ?? (item.resolution_ms === 0 ? t("asRecorded") : format.duration(item.resolution_ms)),
    },
    {
      id: "points",
      header: t("points"),
      accessorFn: ({ count }) => count,
      meta: { width: "6rem", isNumber: true, from: 30 },
      cell: ({ row: { original } }) => format.number(original.count),
    },
    {
      id: "low",
      header: t("lowest"),
      accessorFn: ({ low }) => low,
      meta: { width: "7rem", isNumber: true, from: 45 },
      cell: ({ row: { original } }) => format.reading(original.low),
    },
    {
      id: "high",
      header: t("highest"),
      accessorFn: ({ high }) => high,
      meta: { width: "7rem", isNumber: true, from: 45 },
      cell: ({ row: { original } }) => format.reading(original.high),
    },
    {
      id: "last",
      header: t("newest"),
      accessorFn: ({ last }) => last,
      meta: { width: "7rem", isNumber: true },
      cell: ({ row: { original } }) => format.reading(original.last),
    },
  ], [t, format, devices, reply]);
  return (
    <Panel title={t("madeFrom")} isFlush>
      <p className="px-pad py-2 text-sm text-ink-soft">
        {reply.interval === null
          ? t("thinned", { count: format.number(AUTOMATIC_POINTS) })
          : t("slotted", { aggregate: t(filters.agg ?? "avg"), interval: reply.interval, zone: zoneOf(filters) })}
        {undrawn.length > 0 && <span className="block">{t("skipped", { names: undrawn.join(", ") })}</span>}
      </p>
      <Table rows={all} columns={columns} rowId={({ item }) => `${item.device_id} ${item.metric}`} label={t("madeFrom")} height="20rem" />
    </Panel>
  );
}
