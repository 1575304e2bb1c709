import { keepPreviousData } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useMemo } from "react";
import { query } from "@/shared/api/client";
import type { components } from "@/shared/api/generated/sync";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { useStates } from "@/shared/streams/hooks";
import { Select } from "@/shared/ui/field";
import { Pages } from "@/shared/ui/pages";
import { Panel } from "@/shared/ui/panel";
import { Await, EmptyState } from "@/shared/ui/states";
import { Status as StatusMark } from "@/shared/ui/status";
import type { Tone } from "@/shared/ui/status";
import { Table } from "@/shared/ui/table";
import type { Column } from "@/shared/ui/table";
import { ENTITIES, STATUSES, readFilters } from "../model/filters";
import type { Status, SyncFilters } from "../model/filters";
import { syncTexts } from "../texts";

type Line = components["schemas"]["LogAnswer"];
const route = getRouteApi("/sync");
const PAGE = 100;
const TONES: Record<Status, Tone> = { applied: "ok", conflict_lost: "warn", rejected: "bad", refused: "bad", failed: "bad" };

function isStatus(text: string): text is Status {
  return (STATUSES as readonly string[]).includes(text);
}

/** What was applied and what was not, newest first. */
export function SyncLog({ filters }: { filters: SyncFilters }) {
  const t = useText(syncTexts);
  const format = useFormat();
  const navigate = route.useNavigate();
  const desktops = useStates("devices");
  const choose = (change: Record<string, unknown>): void => {
    void navigate({ to: "/sync", search: readFilters({ ...filters, page: undefined, ...change }), replace: true });
  };
  const log = query.useQuery(
    "get",
    "/api/sync/log",
    {
      params: {
        query: {
          page: filters.page ?? 1,
          limit: PAGE,
          ...(filters.desktop !== undefined && { desktop_id: filters.desktop }),
          ...(filters.entity !== undefined && { entity: filters.entity }),
          ...(filters.status !== undefined && { status: filters.status }),
        },
      },
    },
    { placeholderData: keepPreviousData },
  );
  const columns = useMemo((): Column<Line>[] => [
    {
      id: "at",
      header: t("at"),
      enableSorting: false,
      meta: { width: "7.5rem" },
      cell: ({ row: { original } }) => <span className="figures text-xs leading-tight text-ink-soft">{format.dateTime(Date.parse(original.at))}</span>,
    },
    {
      id: "status",
      header: t("status"),
      enableSorting: false,
      meta: { width: "10rem" },
      cell: ({ row: { original } }) =>
        isStatus(original.status) ? <StatusMark tone={TONES[original.status]}>{t(original.status)}</StatusMark> : original.status,
    },
    { id: "direction", header: t("direction"), enableSorting: false, accessorFn: (row) => t(row.direction), meta: { from: 45 } },
    {
      id: "desktop",
      header: t("desktop"),
      enableSorting: false,
      accessorFn: (row) => (row.desktop_id === null ? "" : (desktops.get(row.desktop_id)?.name ?? row.desktop_id)),
      meta: { from: 30 },
    },
    {
      id: "row",
      header: t("row"),
      enableSorting: false,
      meta: { width: "1.5", from: 60 },
      cell: ({ row: { original } }) => (
        <span className="truncate text-ink-soft">{[original.entity, original.row_id].filter(Boolean).join(" · ")}</span>
      ),
    },
    {
      id: "error",
      header: t("failed"),
      enableSorting: false,
      meta: { from: 75 },
      cell: ({ row: { original } }) => <span className="truncate text-bad">{original.error ?? ""}</span>,
    },
  ], [t, format, desktops]);
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap gap-2">
        <Select aria-label={t("desktop")} isInline className="max-w-64" value={filters.desktop ?? ""} onChange={(event) => { choose({ desktop: event.target.value }); }}>
          <option value="">{t("anyDesktop")}</option>
          {[...desktops].map(([id, desktop]) => (
            <option key={id} value={id}>{desktop.name}</option>
          ))}
        </Select>
        <Select aria-label={t("entity")} isInline value={filters.entity ?? ""} onChange={(event) => { choose({ entity: event.target.value }); }}>
          <option value="">{t("anyEntity")}</option>
          {ENTITIES.map((entity) => (
            <option key={entity} value={entity}>{t(entity)}</option>
          ))}
        </Select>
        <Select aria-label={t("status")} isInline value={filters.status ?? ""} onChange={(event) => { choose({ status: event.target.value }); }}>
          <option value="">{t("anyStatus")}</option>
          {STATUSES.map((status) => (
            <option key={status} value={status}>{t(status)}</option>
          ))}
        </Select>
      </div>
      <Await asked={log}>
        {(data) => (
          <Panel isFlush>
            <Table
              rows={data.items}
              columns={columns}
              rowId={(row) => String(row.id)}
              label={t("log")}
              empty={<EmptyState title={t("noLog")} />}
              footer={<Pages page={data.page} limit={data.limit} total={data.total} onChange={(page) => { choose({ page }); }} />}
              height="max(20rem, calc(100dvh - 22rem))"
            />
          </Panel>
        )}
      </Await>
    </div>
  );
}
