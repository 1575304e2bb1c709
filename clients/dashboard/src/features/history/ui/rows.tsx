import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import type { ReactNode } from "react";
import { api } from "@/shared/api/client";
import type { components } from "@/shared/api/generated/gateway";
import { ApiProblem } from "@/shared/api/problem";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { useStates } from "@/shared/streams/hooks";
import { Button } from "@/shared/ui/button";
import { Select } from "@/shared/ui/field";
import { Panel } from "@/shared/ui/panel";
import { SearchField } from "@/shared/ui/search-field";
import { Await, EmptyState } from "@/shared/ui/states";
import { Status } from "@/shared/ui/status";
import { Table } from "@/shared/ui/table";
import type { Column } from "@/shared/ui/table";
import { askedRows } from "../model/asked";
import { asSearch } from "../model/filters";
import type { HistoryFilters, Stretch } from "../model/filters";
import { historyTexts } from "../texts";
import { TooMuch, isTooMuch } from "./too-much";

type Page = components["schemas"]["HistoryPageReply"];
type Reading = components["schemas"]["HistoryItem"];

interface RowsProps {
  readonly filters: HistoryFilters;
  readonly stretch: Stretch;
  readonly onChange: (change: Record<string, unknown>, isReplaced?: boolean) => void;
}

/** Single readings page by page, either way through time. */
export function Rows({ filters, stretch, onChange }: RowsProps) {
  const t = useText(historyTexts);
  const question = askedRows(filters, stretch);
  // The pages that led here, so that one can go back; a shared address begins in the middle and leads to the first.
  const [passed, setPassed] = useState<readonly (string | undefined)[]>([]);
  const answer = useQuery({
    queryKey: ["get", "/api/telemetry/history", question],
    queryFn: async ({ signal }) => {
      const { data } = await api.GET("/api/telemetry/history", { params: { query: question }, signal });
      // The path answers with series too, when they are asked for; they were not.
      return data as Page;
    },
    placeholderData: keepPreviousData,
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (answer.error instanceof ApiProblem && isTooMuch(answer.error)) {
    return <TooMuch problem={answer.error} filters={filters} onChange={onChange} />;
  }
  const turn = (cursor: string | undefined): void => {
    // A page is one of a fixed stretch: from here on the address names it.
    onChange({ ...asSearch(stretch), cursor });
  };
  const isFirst = filters.cursor === undefined;
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap gap-2">
        <SearchField value={filters.q ?? ""} onChange={(q) => { onChange({ q, cursor: filters.cursor }, true); }} label={t("searchRows")} />
        <Select
          aria-label={t("order")}
          value={filters.order ?? ""}
          onChange={(event) => {
            setPassed([]);
            onChange({ order: event.target.value });
          }}
          isInline
        >
          <option value="">{t("newestFirst")}</option>
          <option value="asc">{t("oldestFirst")}</option>
        </Select>
      </div>
      <Await asked={answer}>
        {(page) => (
          <Readings
            items={page.items}
            filters={filters}
            onOrder={() => {
              setPassed([]);
              onChange({ order: filters.order === "asc" ? undefined : "asc" });
            }}
            pages={
              !isFirst || page.next_cursor !== null ? (
                <span className="flex flex-wrap items-center gap-2">
                  <Button disabled={isFirst} onClick={() => { setPassed([]); turn(undefined); }}>
                    {t("firstPage")}
                  </Button>
                  <Button
                    disabled={isFirst || passed.length === 0}
                    onClick={() => {
                      turn(passed.at(-1));
                      setPassed(passed.slice(0, -1));
                    }}
                  >
                    {t("previous")}
                  </Button>
                  <Button
                    isBusy={answer.isFetching}
                    disabled={page.next_cursor === null}
                    onClick={() => {
                      setPassed([...passed, filters.cursor]);
                      turn(page.next_cursor ?? undefined);
                    }}
                  >
                    {t("next")}
                  </Button>
                </span>
              ) : undefined
            }
          />
        )}
      </Await>
    </div>
  );
}

function Readings({ items, filters, onOrder, pages }: {
  items: readonly Reading[];
  filters: HistoryFilters;
  onOrder: () => void;
  pages: ReactNode;
}) {
  const t = useText(historyTexts);
  const format = useFormat();
  const devices = useStates("devices");
  const columns = useMemo((): Column<Reading>[] => [
    {
      id: "at",
      header: t("at"),
      accessorFn: (row) => format.dateTime(row.ts),
      meta: { width: "1.3" },
      cell: ({ row: { original } }) => (
        <span className="figures min-w-0 truncate leading-tight">
          <span className="hidden @min-[45rem]:inline">{`${format.date(original.ts)}, `}</span>
          {format.time(original.ts)}
          <span className="text-ink-faint">{`.${String(original.ts % 1_000).padStart(3, "0")}`}</span>
          <span className="block text-xs leading-tight text-ink-soft @min-[45rem]:hidden">{format.date(original.ts)}</span>
        </span>
      ),
    },
    {
      id: "device",
      header: t("device"),
      enableSorting: false,
      accessorFn: (row) => devices.get(row.device_id)?.name ?? row.device_id,
      meta: { width: "1.2", from: 45 },
    },
    {
      id: "metric",
      header: t("metric"),
      enableSorting: false,
      accessorFn: (row) => row.metric,
      meta: { width: "1.3" },
      cell: ({ row: { original } }) => (
        <span className="min-w-0 truncate leading-tight">
          {original.metric}
          <span className="block truncate text-xs leading-tight text-ink-soft @min-[45rem]:hidden">
            {devices.get(original.device_id)?.name ?? original.device_id}
          </span>
        </span>
      ),
    },
    {
      id: "value",
      header: t("value"),
      enableSorting: false,
      accessorFn: (row) => String(row.value),
      meta: { isNumber: true },
      // As it was recorded, every digit of it: this is the place to look closely.
      cell: ({ row: { original } }) => <span className="truncate">{String(original.value)}</span>,
    },
    {
      id: "quality",
      header: t("quality"),
      enableSorting: false,
      accessorFn: (row) => row.quality,
      meta: { width: "8rem", from: 60 },
      cell: ({ row: { original } }) => <Status tone={original.quality === "good" ? "ok" : "warn"}>{original.quality}</Status>,
    },
    {
      id: "delay",
      header: t("delay"),
      enableSorting: false,
      meta: { width: "7rem", isNumber: true, from: 75 },
      cell: ({ row: { original } }) => <Delay ms={Date.parse(original.received_at) - original.ts} />,
    },
  ], [t, format, devices]);
  return (
    <Panel isFlush>
      <Table
        rows={items}
        columns={columns}
        rowId={(row) => `${row.device_id} ${row.metric} ${row.recorded_at} ${String(row.epoch)} ${String(row.sequence_no)}`}
        label={t("rows")}
        search={filters.q ?? ""}
        sort={{ state: [{ id: "at", desc: filters.order !== "asc" }], onChange: onOrder }}
        empty={items.length === 0 ? <EmptyState title={t("nothing")}>{t("nothingHint")}</EmptyState> : <EmptyState title={t("noneFits")} />}
        footer={pages}
        height="max(20rem, calc(100dvh - 22rem))"
      />
    </Panel>
  );
}

/** How long a reading was under way; a clock that is ahead makes it less than nothing. */
function Delay({ ms }: { ms: number }) {
  const format = useFormat();
  const text = Math.abs(ms) < 1_000 ? `${format.number(ms)} ms` : `${ms < 0 ? "−" : ""}${format.duration(Math.abs(ms))}`;
  return <span className="text-ink-soft">{text}</span>;
}
