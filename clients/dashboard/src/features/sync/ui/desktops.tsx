import { RefreshCw } from "lucide-react";
import { useMemo, useState } from "react";
import { query } from "@/shared/api/client";
import type { components } from "@/shared/api/generated/sync";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { useStates } from "@/shared/streams/hooks";
import { useFromNow } from "@/shared/time/ticker";
import { ActionButton } from "@/shared/ui/button";
import { Panel } from "@/shared/ui/panel";
import { SearchField } from "@/shared/ui/search-field";
import { Await, EmptyState, useProblemText } from "@/shared/ui/states";
import { Status } from "@/shared/ui/status";
import { Table } from "@/shared/ui/table";
import type { Column } from "@/shared/ui/table";
import { notify } from "@/shared/ui/toast";
import { syncTexts } from "../texts";

type Desktop = components["schemas"]["DesktopAnswer"];
/** As many as a page of the service holds; the furthest behind come first. */
const LISTED = 200;

/** Each desktop, as far as the socket says it is. */
export function Desktops() {
  const [search, setSearch] = useState("");
  const desktops = query.useQuery("get", "/api/sync/desktops", { params: { query: { limit: LISTED, sort: "-lag" } } });
  return (
    <div className="flex flex-col gap-4">
      <SearchField value={search} onChange={setSearch} />
      <Await asked={desktops}>{(data) => <Rows listed={data.items} search={search} />}</Await>
    </div>
  );
}

function Rows({ listed, search }: { listed: readonly Desktop[]; search: string }) {
  const t = useText(syncTexts);
  const format = useFormat();
  const told = useStates("sync");
  const rows = useMemo(
    () =>
      listed.map((desktop): Desktop => {
        const news = told.get(desktop.device_id);
        if (news === undefined) return desktop;
        const { last_sync_at, ...counts } = news;
        return { ...desktop, ...counts, last_sync_at: last_sync_at === null ? null : new Date(last_sync_at).toISOString() };
      }),
    [listed, told],
  );
  const columns = useMemo((): Column<Desktop>[] => [
    {
      id: "name",
      header: t("desktop"),
      accessorFn: (row) => `${row.name} ${row.device_id}`,
      meta: { width: "1.5" },
      cell: ({ row: { original } }) => <span className="truncate font-medium">{original.name}</span>,
    },
    {
      id: "state",
      header: t("state"),
      accessorFn: (row) => row.lag + row.config_lag,
      meta: { width: "2" },
      cell: ({ row: { original } }) => <Standing desktop={original} />,
    },
    {
      id: "pending",
      header: t("pending"),
      accessorKey: "pending",
      meta: { width: "8rem", isNumber: true, from: 60 },
      cell: ({ row: { original } }) => format.number(original.pending),
    },
    {
      id: "conflicts",
      header: t("conflicts"),
      accessorKey: "conflicts",
      meta: { width: "6.5rem", isNumber: true, from: 45 },
      cell: ({ row: { original } }) => format.number(original.conflicts),
    },
    {
      id: "position",
      header: t("position"),
      accessorKey: "cursor",
      meta: { width: "9rem", isNumber: true, from: 75 },
      cell: ({ row: { original } }) => `${format.number(original.cursor)} / ${format.number(original.head)}`,
    },
    {
      id: "last",
      header: t("lastSync"),
      accessorFn: (row) => (row.last_sync_at === null ? 0 : Date.parse(row.last_sync_at)),
      meta: { width: "8rem", isNumber: true, from: 45 },
      cell: ({ row: { original } }) => <LastSync at={original.last_sync_at} />,
    },
    {
      id: "force",
      enableSorting: false,
      meta: { width: "3.5rem" },
      cell: ({ row: { original } }) => <Force desktop={original} />,
    },
  ], [t, format]);
  return (
    <Panel isFlush>
      <Table
        rows={rows}
        columns={columns}
        rowId={(row) => row.device_id}
        label={t("desktops")}
        search={search}
        empty={listed.length === 0 ? <EmptyState title={t("noDesktops")}>{t("noDesktopsHint")}</EmptyState> : undefined}
        height="max(20rem, calc(100dvh - 20rem))"
      />
    </Panel>
  );
}

function Standing({ desktop }: { desktop: Desktop }) {
  const t = useText(syncTexts);
  if (desktop.error !== null) return <Status tone="bad">{t("error", { reason: desktop.error })}</Status>;
  if (desktop.lag > 0) return <Status tone="warn">{t("behind", { count: desktop.lag })}</Status>;
  if (desktop.config_lag > 0) return <Status tone="warn">{t("configBehind", { count: desktop.config_lag })}</Status>;
  if (desktop.last_sync_at === null) return <Status tone="mute">{t("never")}</Status>;
  return <Status tone="ok">{t("upToDate")}</Status>;
}

function LastSync({ at }: { at: string | null }) {
  const t = useText(syncTexts);
  const format = useFormat();
  const text = useFromNow((now) => (at === null ? "" : format.ago(Math.min(Date.parse(at), now), now)));
  return <span className="text-ink-soft">{at === null ? t("never") : text}</span>;
}

function Force({ desktop }: { desktop: Desktop }) {
  const t = useText(syncTexts);
  const problemText = useProblemText();
  const force = query.useMutation("post", "/api/sync/desktops/{device_id}/force");
  return (
    <ActionButton
      permission="sync:resolve"
      tone="quiet"
      className="w-control px-0"
      title={t("force")}
      aria-label={t("forceAria", { name: desktop.name })}
      isBusy={force.isPending}
      icon={<RefreshCw className="size-4" aria-hidden />}
      onClick={() => {
        force.mutate(
          { params: { path: { device_id: desktop.device_id } } },
          {
            onSuccess: () => {
              notify("ok", t("forced", { name: desktop.name }));
            },
            onError: (error: unknown) => {
              notify("bad", problemText(error));
            },
          },
        );
      }}
    />
  );
}
