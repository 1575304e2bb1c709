import { Download, Trash2, X } from "lucide-react";
import { useMemo, useState } from "react";
import { api, query, queryClient } from "@/shared/api/client";
import { download } from "@/shared/api/download";
import type { components } from "@/shared/api/generated/gateway";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { ActionButton } from "@/shared/ui/button";
import { Panel } from "@/shared/ui/panel";
import { Await, EmptyState, useProblemText } from "@/shared/ui/states";
import { Status } from "@/shared/ui/status";
import type { Tone } from "@/shared/ui/status";
import { Table } from "@/shared/ui/table";
import type { Column } from "@/shared/ui/table";
import { notify } from "@/shared/ui/toast";
import { historyTexts } from "../texts";
import { EXPORTS } from "./export-dialog";

type Item = components["schemas"]["ExportItem"];
const TONES: Record<Item["state"], Tone> = { queued: "mute", running: "info", ready: "ok", failed: "bad" };
/** While something is being made, its progress is asked for so often. */
const PROGRESS_MS = 1_500;

function isUnderWay({ state }: Item): boolean {
  return state === "queued" || state === "running";
}

/** One's exports: how far they are, and their files. */
export function ExportList() {
  const t = useText(historyTexts);
  const format = useFormat();
  const exports = query.useQuery("get", EXPORTS, {}, {
    refetchInterval: (asked) => (asked.state.data?.items.some(isUnderWay) === true ? PROGRESS_MS : false),
  });
  const columns = useMemo((): Column<Item>[] => [
    {
      id: "file",
      header: t("file"),
      accessorKey: "file_name",
      meta: { width: "2" },
      cell: ({ row: { original } }) => <span className="truncate font-medium">{original.file_name}</span>,
    },
    {
      id: "state",
      header: t("state"),
      accessorFn: (row) => t(row.state),
      meta: { width: "1.2" },
      cell: ({ row: { original } }) => (
        <Status tone={TONES[original.state]}>
          {original.problem === null ? t(original.state) : `${t(original.state)}: ${original.problem.message}`}
        </Status>
      ),
    },
    {
      id: "done",
      header: t("done"),
      accessorKey: "rows_done",
      meta: { width: "2", from: 45 },
      cell: ({ row: { original } }) => <Progress item={original} />,
    },
    {
      id: "size",
      header: t("size"),
      accessorKey: "size_bytes",
      meta: { width: "7rem", isNumber: true, from: 60 },
      cell: ({ row: { original } }) => format.bytes(original.size_bytes),
    },
    {
      id: "expires",
      header: t("expires"),
      accessorFn: (row) => row.expires_at,
      meta: { width: "12rem", from: 75 },
      cell: ({ row: { original } }) => (
        <span className="figures text-ink-soft">{original.expires_at === null ? "—" : format.dateTime(Date.parse(original.expires_at))}</span>
      ),
    },
    {
      id: "actions",
      enableSorting: false,
      meta: { width: "6.5rem" },
      cell: ({ row: { original } }) => <Actions item={original} />,
    },
  ], [t, format]);
  return (
    <Await asked={exports}>
      {(data) => (
        <Panel isFlush>
          <Table
            rows={data.items}
            columns={columns}
            rowId={(row) => row.id}
            label={t("exports")}
            empty={<EmptyState title={t("noExports")}>{t("noExportsHint")}</EmptyState>}
            height="max(20rem, calc(100dvh - 22rem))"
          />
        </Panel>
      )}
    </Await>
  );
}

function Progress({ item }: { item: Item }) {
  const t = useText(historyTexts);
  const format = useFormat();
  const done = format.number(item.rows_done);
  if (!isUnderWay(item)) return <span className="figures">{done}</span>;
  const text = t("doneOf", { done, all: format.number(item.rows_estimated) });
  return (
    <span className="flex min-w-0 grow items-center gap-3">
      <progress
        className="h-1.5 min-w-12 grow accent-accent"
        aria-label={`${item.file_name}: ${text}`}
        max={Math.max(item.rows_estimated, 1)}
        value={item.rows_done}
      />
      <span className="figures truncate text-xs text-ink-soft">{text}</span>
    </span>
  );
}

function Actions({ item }: { item: Item }) {
  const t = useText(historyTexts);
  const problemText = useProblemText();
  const [isBusy, setBusy] = useState(false);
  const name = item.file_name;
  const run = (work: () => Promise<unknown>, done: string): void => {
    setBusy(true);
    work()
      .then(() => {
        notify("ok", done);
      })
      .catch((error: unknown) => {
        notify("bad", problemText(error));
      })
      .finally(() => {
        setBusy(false);
        void queryClient.invalidateQueries({ queryKey: ["get", EXPORTS] });
      });
  };
  const isPending = isUnderWay(item);
  return (
    <span className="flex gap-1">
      {item.state === "ready" && (
        <ActionButton
          permission="telemetry:read"
          tone="quiet"
          className="w-control px-0"
          title={t("download")}
          aria-label={t("downloadName", { name })}
          isBusy={isBusy}
          icon={<Download className="size-4" aria-hidden />}
          onClick={() => {
            run(() => download(`${EXPORTS}/${item.id}/file`, name), t("downloaded", { name }));
          }}
        />
      )}
      <ActionButton
        permission="telemetry:read"
        tone="quiet"
        className="w-control px-0"
        title={t(isPending ? "cancel" : "remove")}
        aria-label={t(isPending ? "cancelName" : "removeName", { name })}
        isBusy={isBusy}
        icon={isPending ? <X className="size-4" aria-hidden /> : <Trash2 className="size-4" aria-hidden />}
        onClick={() => {
          run(
            () => api.DELETE("/api/telemetry/exports/{export_id}", { params: { path: { export_id: item.id } } }),
            t(isPending ? "cancelled" : "removed"),
          );
        }}
      />
    </span>
  );
}
