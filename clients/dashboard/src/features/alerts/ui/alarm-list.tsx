import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { X } from "lucide-react";
import { useMemo, useRef, useState } from "react";
import type { ReactNode } from "react";
import { api } from "@/shared/api/client";
import { useText } from "@/shared/i18n/messages";
import { useStates } from "@/shared/streams/hooks";
import { useRefetchOn } from "@/shared/streams/use-refetch-on";
import { Button } from "@/shared/ui/button";
import { cx } from "@/shared/ui/classes";
import { Input, Select } from "@/shared/ui/field";
import { Panel } from "@/shared/ui/panel";
import { Await, EmptyState } from "@/shared/ui/states";
import { Table } from "@/shared/ui/table";
import type { Column } from "@/shared/ui/table";
import { byUrgency } from "../model/alarm";
import type { Alarm } from "../model/alarm";
import { asked, narrowing, readFilters, SEVERITIES, STATES } from "../model/filters";
import type { AlertFilters } from "../model/filters";
import { alertTexts } from "../texts";
import { BulkAcknowledge } from "./bulk-acknowledge";
import { Ago, ExtraMarks, SeverityMark, StateMark } from "./marks";

const route = getRouteApi("/alerts");
const PATH = "/api/alerts";
const PAGE = 200;

/** The alarms: the active ones by urgency, all that ever were by time. Each is as it is now. */
export function AlarmList({ filters }: { filters: AlertFilters }) {
  const t = useText(alertTexts);
  const isActive = filters.tab === undefined;
  const query = asked(filters);
  const pages = useInfiniteQuery({
    queryKey: ["get", PATH, query],
    initialPageParam: null as number | null,
    queryFn: async ({ pageParam, signal }) => {
      const { data } = await api.GET(PATH, {
        params: { query: { ...query, limit: PAGE, ...(pageParam !== null && { cursor: pageParam }) } },
        signal,
      });
      if (data === undefined) throw new Error("an answer without a body");
      return data;
    },
    getNextPageParam: (last) => last.next_cursor,
    // What was told while another tab was open is not known here.
    staleTime: 0,
  });
  useRefetchOn("alerts", PATH);
  return (
    <div className="flex flex-col gap-4">
      <Filters filters={filters} />
      <Await asked={pages}>
        {(data) => (
          <Rows
            items={data.pages.flatMap((page) => page.items)}
            isActive={isActive}
            isFiltered={Object.keys(narrowing(filters)).length > 0}
            older={
              pages.hasNextPage && (
                <Button isBusy={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>
                  {t("older")}
                </Button>
              )
            }
          />
        )}
      </Await>
    </div>
  );
}

function Filters({ filters }: { filters: AlertFilters }) {
  const t = useText(alertTexts);
  const navigate = route.useNavigate();
  const devices = useStates("devices");
  const isActive = filters.tab === undefined;
  const choose = (change: Record<string, string>): void => {
    void navigate({ to: "/alerts", search: (before) => readFilters({ ...before, ...change }), replace: true });
  };
  const states = isActive ? STATES.filter((state) => state !== "cleared") : STATES;
  return (
    <div className="flex flex-wrap items-center gap-2">
      <Select isInline aria-label={t("severity")} value={filters.severity ?? ""} onChange={(event) => { choose({ severity: event.target.value }); }}>
        <option value="">{t("anySeverity")}</option>
        {SEVERITIES.map((severity) => (
          <option key={severity} value={severity}>{t(severity)}</option>
        ))}
      </Select>
      <Select isInline aria-label={t("state")} value={filters.state ?? ""} onChange={(event) => { choose({ state: event.target.value }); }}>
        <option value="">{t("anyState")}</option>
        {states.map((state) => (
          <option key={state} value={state}>{t(state)}</option>
        ))}
      </Select>
      <Select
        isInline
        className="max-w-64"
        aria-label={t("device")}
        value={filters.device ?? ""}
        onChange={(event) => { choose({ device: event.target.value }); }}
      >
        <option value="">{t("anyDevice")}</option>
        {[...devices].sort(([, a], [, b]) => a.name.localeCompare(b.name)).map(([id, device]) => (
          <option key={id} value={id}>{device.name}</option>
        ))}
      </Select>
      {!isActive && (
        <>
          <Select isInline aria-label={t("lateness")} value={filters.late ?? ""} onChange={(event) => { choose({ late: event.target.value }); }}>
            <option value="">{t("lateAndNot")}</option>
            <option value="only">{t("lateOnly")}</option>
            <option value="none">{t("lateNone")}</option>
          </Select>
          <label className="flex items-center gap-2 text-sm whitespace-nowrap text-ink-soft">
            {t("from")}
            <Input type="datetime-local" className="w-auto" value={filters.from ?? ""} onChange={(event) => { choose({ from: event.target.value }); }} />
          </label>
          <label className="flex items-center gap-2 text-sm whitespace-nowrap text-ink-soft">
            {t("to")}
            <Input type="datetime-local" className="w-auto" value={filters.to ?? ""} onChange={(event) => { choose({ to: event.target.value }); }} />
          </label>
        </>
      )}
      {filters.rule !== undefined && (
        <Button icon={<X className="size-4" aria-hidden />} onClick={() => { choose({ rule: "" }); }}>
          {t("oneRule")}
        </Button>
      )}
      {Object.keys(narrowing(filters)).length > 0 && (
        <Button
          tone="quiet"
          onClick={() => void navigate({ to: "/alerts", search: filters.tab === undefined ? {} : { tab: filters.tab } })}
        >
          {t("clearFilters")}
        </Button>
      )}
    </div>
  );
}

function Rows({ items, isActive, isFiltered, older }: {
  items: readonly Alarm[];
  isActive: boolean;
  isFiltered: boolean;
  older: ReactNode;
}) {
  const t = useText(alertTexts);
  const navigate = route.useNavigate();
  const devices = useStates("devices");
  const [marked, setMarked] = useState<ReadonlySet<string>>(new Set());
  const list = useRef<HTMLDivElement>(null);
  const rows = useMemo(() => (isActive ? [...items].sort(byUrgency) : items), [items, isActive]);
  const waiting = useMemo(() => rows.filter((alarm) => alarm.state === "active"), [rows]);
  // What is taken care of, or over, cannot be acknowledged: it drops out of the selection by itself.
  const selected = useMemo(() => waiting.filter((alarm) => marked.has(alarm.id)).map((alarm) => alarm.id), [waiting, marked]);
  const columns = useMemo((): Column<Alarm>[] => {
    const select: Column<Alarm> = {
      id: "select",
      enableSorting: false,
      meta: { width: "2.75rem" },
      cell: ({ row: { original } }) =>
        original.state === "active" && (
          <input
            type="checkbox"
            aria-label={t("select", { message: original.message })}
            className="size-4.5 accent-accent"
            checked={marked.has(original.id)}
            onClick={(event) => { event.stopPropagation(); }}
            onChange={(event) => {
              const next = new Set(marked);
              if (event.target.checked) next.add(original.id);
              else next.delete(original.id);
              setMarked(next);
            }}
          />
        ),
    };
    return [
      ...(isActive ? [select] : []),
      {
        id: "severity",
        header: t("severity"),
        enableSorting: false,
        meta: { width: "6.75rem" },
        cell: ({ row: { original } }) => <SeverityMark severity={original.severity} />,
      },
      {
        id: "message",
        header: t("message"),
        enableSorting: false,
        meta: { width: "2.5" },
        cell: ({ row: { original } }) => (
          <span className="flex min-w-0 items-center gap-2">
            <span className={cx("truncate", original.state === "active" && "font-medium")}>{original.message}</span>
            <ExtraMarks alarm={original} isShort />
          </span>
        ),
      },
      {
        id: "device",
        header: t("device"),
        enableSorting: false,
        meta: { width: "1", from: 60 },
        cell: ({ row: { original } }) => <span className="truncate">{devices.get(original.device_id)?.name ?? original.device_id}</span>,
      },
      {
        id: "rule",
        header: t("rule"),
        enableSorting: false,
        meta: { width: "1", from: 75 },
        cell: ({ row: { original } }) => <span className="truncate text-ink-soft">{original.rule_name}</span>,
      },
      {
        id: "state",
        header: t("state"),
        enableSorting: false,
        meta: { width: "9.5rem", from: 45 },
        cell: ({ row: { original } }) => <StateMark state={original.state} />,
      },
      {
        id: "raised",
        header: t("raised"),
        enableSorting: false,
        meta: { width: "7.5rem", isNumber: true, from: 30 },
        cell: ({ row: { original } }) => <Ago at={Date.parse(original.raised_at)} />,
      },
    ];
  }, [t, devices, isActive, marked]);
  const done = (): void => {
    setMarked(new Set());
    // The button that was pressed goes: whoever has not gone on to something else goes on in the list.
    const now = document.activeElement;
    if (now === document.body || now?.closest("[data-bulk]") != null) list.current?.querySelector<HTMLElement>("[role=row][tabindex='0']")?.focus();
  };
  return (
    <Panel isFlush>
      {isActive && waiting.length > 0 && (
        <div data-bulk className="flex min-h-11 flex-wrap items-center gap-2 border-b border-line px-3 py-1.5 text-sm">
          <span role="status" className="figures mr-auto text-ink-soft">
            {selected.length > 0 && t("selected", { count: selected.length })}
          </span>
          <Button tone="quiet" onClick={() => { setMarked(new Set(selected.length > 0 ? [] : waiting.map((alarm) => alarm.id))); }}>
            {t(selected.length > 0 ? "unselect" : "selectAll")}
          </Button>
          {selected.length > 0 && <BulkAcknowledge alarmIds={selected} onDone={done} />}
        </div>
      )}
      <div ref={list}>
        <Table
          rows={rows}
          columns={columns}
          rowId={(alarm) => alarm.id}
          label={t("title")}
          onOpen={(alarm) => void navigate({ to: "/alerts", search: (before) => readFilters({ ...before, open: alarm.id }) })}
          empty={
            isFiltered ? <EmptyState title={t("noneFits")} />
            : isActive ? <EmptyState title={t("none")}>{t("noneHint")}</EmptyState>
            : <EmptyState title={t("noneYet")} />
          }
          footer={older}
          height="max(20rem, calc(100dvh - 22rem))"
        />
      </div>
    </Panel>
  );
}
