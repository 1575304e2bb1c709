import { useMemo } from "react";
import { query } from "@/shared/api/client";
import type { components } from "@/shared/api/generated/commands";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { Panel } from "@/shared/ui/panel";
import { Await, EmptyState } from "@/shared/ui/states";
import { Table } from "@/shared/ui/table";
import type { Column } from "@/shared/ui/table";
import { commandTexts } from "../texts";

type Refusal = components["schemas"]["RefusalItem"];
const NEWEST = 200;

/** What was refused on the way of commands, by device or by service. */
export function Refusals() {
  const t = useText(commandTexts);
  const format = useFormat();
  const refusals = query.useQuery("get", "/api/commands/refusals", { params: { query: { limit: NEWEST } } });
  const columns = useMemo((): Column<Refusal>[] => [
    {
      id: "last",
      header: t("last"),
      accessorFn: (row) => Date.parse(row.last_at),
      meta: { width: "7.5rem" },
      cell: ({ row: { original } }) => <span className="figures text-xs leading-tight text-ink-soft">{format.dateTime(Date.parse(original.last_at))}</span>,
    },
    { id: "device", header: t("device"), accessorKey: "device_id" },
    { id: "code", header: t("code"), accessorKey: "code", meta: { from: 30 } },
    {
      id: "detail",
      header: t("detail"),
      accessorKey: "detail",
      meta: { width: "2", from: 60 },
      cell: ({ row: { original } }) => <span className="truncate text-ink-soft">{original.detail}</span>,
    },
    {
      id: "by",
      header: t("refusedBy"),
      accessorFn: (row) => t(row.refused_by === "device" ? "device_" : "service"),
      meta: { width: "8rem", from: 45 },
    },
    { id: "count", header: t("count"), accessorKey: "count", meta: { width: "5rem", isNumber: true } },
  ], [t, format]);
  return (
    <>
      <p className="mb-3 text-sm text-ink-soft">{t("refusalsHint")}</p>
      <Await asked={refusals}>
        {(data) => (
          <Panel isFlush>
            <Table
              rows={data.items}
              columns={columns}
              rowId={(row) => String(row.id)}
              label={t("tabRefusals")}
              empty={<EmptyState title={t("noRefusals")} />}
              height="max(20rem, calc(100dvh - 20rem))"
            />
          </Panel>
        )}
      </Await>
    </>
  );
}
