import { keepPreviousData } from "@tanstack/react-query";
import { useMemo } from "react";
import { query } from "@/shared/api/client";
import type { components } from "@/shared/api/generated/sync";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { useStates } from "@/shared/streams/hooks";
import { Checkbox, Select } from "@/shared/ui/field";
import { Pages } from "@/shared/ui/pages";
import { Panel } from "@/shared/ui/panel";
import { Await, EmptyState } from "@/shared/ui/states";
import { Table } from "@/shared/ui/table";
import type { Column } from "@/shared/ui/table";
import { configTexts } from "../texts";
import type { Listed } from "./entries";
import { ASK_AGAIN_MS, Standing } from "./in-force";
import { useScopeText } from "./saying";

type Applied = components["schemas"]["AppliedAnswer"];
const PAGE = 100;

/** Which version of what is in force on which desktop, page by page. */
export function Applied({ filters, onChoose, onOpen }: Listed) {
  const t = useText(configTexts);
  const format = useFormat();
  const scopeText = useScopeText();
  const devices = useStates("devices");
  const keys = query.useQuery("get", "/api/config/keys");
  const { page = 1, device, key, lagging } = filters;
  const applied = query.useQuery(
    "get",
    "/api/config/applied",
    {
      params: {
        query: {
          page,
          limit: PAGE,
          ...(device !== undefined && { device_id: device }),
          ...(key !== undefined && { key }),
          ...(lagging === true && { is_lagging: true }),
        },
      },
    },
    { placeholderData: keepPreviousData, refetchInterval: ASK_AGAIN_MS },
  );
  const listed = useMemo(() => [...devices].sort(([, a], [, b]) => a.name.localeCompare(b.name)), [devices]);
  const columns: Column<Applied>[] = [
    {
      id: "device",
      header: t("device"),
      enableSorting: false,
      cell: ({ row: { original } }) => (
        <span className="truncate font-medium">{devices.get(original.device_id)?.name ?? original.device_id}</span>
      ),
    },
    {
      id: "key",
      header: t("key"),
      enableSorting: false,
      meta: { width: "1.5", from: 30 },
      cell: ({ row: { original } }) => <span className="truncate">{original.entry.key}</span>,
    },
    {
      id: "scope",
      header: t("comesFrom"),
      enableSorting: false,
      meta: { from: 60 },
      cell: ({ row: { original: { entry } } }) => <span className="truncate text-ink-soft">{scopeText(entry.scope, entry.target)}</span>,
    },
    {
      id: "applied",
      header: t("applied"),
      enableSorting: false,
      meta: { width: "5rem", isNumber: true, from: 45 },
      cell: ({ row: { original } }) => original.applied_version ?? "—",
    },
    {
      id: "wanted",
      header: t("wanted"),
      enableSorting: false,
      meta: { width: "5rem", isNumber: true, from: 45 },
      cell: ({ row: { original } }) => original.entry.version,
    },
    {
      id: "standing",
      header: t("standing"),
      enableSorting: false,
      meta: { width: "9rem" },
      cell: ({ row: { original } }) => <span title={original.error ?? undefined}><Standing applied={original} /></span>,
    },
    {
      id: "at",
      header: t("appliedAt"),
      enableSorting: false,
      meta: { width: "12rem", from: 60 },
      cell: ({ row: { original } }) => (
        <span className="figures text-ink-soft">
          {original.applied_at === null ? "—" : format.dateTime(Date.parse(original.applied_at))}
        </span>
      ),
    },
  ];
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center gap-3">
        <Select isInline aria-label={t("device")} value={device ?? ""} onChange={(event) => { onChoose({ device: event.target.value }); }}>
          <option value="">{t("all")}</option>
          {listed.map(([id, one]) => <option key={id} value={id}>{one.name}</option>)}
        </Select>
        <Select isInline aria-label={t("key")} value={key ?? ""} onChange={(event) => { onChoose({ key: event.target.value }); }}>
          <option value="">{t("anyKey")}</option>
          {keys.data?.items.map((one) => <option key={one.key}>{one.key}</option>)}
        </Select>
        <Checkbox label={t("onlyLagging")} checked={lagging === true} onChange={(event) => { onChoose({ lagging: event.target.checked }); }} />
      </div>
      <Await asked={applied}>
        {(data) => (
          <Panel isFlush>
            <Table
              rows={data.items}
              columns={columns}
              rowId={(item) => `${item.device_id} ${item.entry.id}`}
              label={t("tabApplied")}
              onOpen={(item) => { onOpen(item.entry.id); }}
              empty={
                lagging === true
                  ? <EmptyState title={t("allInForce")} />
                  : <EmptyState title={t("noApplied")}>{t("noAppliedHint")}</EmptyState>
              }
              height="max(20rem, calc(100dvh - 20rem))"
              footer={<Pages page={page} limit={PAGE} total={data.total} onChange={(next) => { onChoose({ page: next }); }} />}
            />
          </Panel>
        )}
      </Await>
    </div>
  );
}
