import { useMemo, useState } from "react";
import { query } from "@/shared/api/client";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { useStates, useUpdatedAt } from "@/shared/streams/hooks";
import type { ConfigEntry } from "@/shared/streams/shapes";
import { Button } from "@/shared/ui/button";
import { Select } from "@/shared/ui/field";
import { Panel } from "@/shared/ui/panel";
import { SearchField } from "@/shared/ui/search-field";
import { EmptyState, LoadingState } from "@/shared/ui/states";
import { Table } from "@/shared/ui/table";
import type { Column } from "@/shared/ui/table";
import { SCOPES } from "../model/filters";
import type { ConfigFilters } from "../model/filters";
import { configTexts } from "../texts";
import { shownValue, usePersonName, useScopeText, Value } from "./saying";

interface Row extends ConfigEntry {
  readonly id: string;
}

export interface Listed {
  readonly filters: ConfigFilters;
  readonly onChoose: (change: Record<string, unknown>) => void;
  readonly onOpen: (id: string) => void;
}

/** Every entry that the person may see, as it is now. */
export function Entries({ filters, onChoose, onOpen }: Listed) {
  const t = useText(configTexts);
  const format = useFormat();
  const entries = useStates("config");
  const isKnown = useUpdatedAt("config") !== undefined;
  const keys = query.useQuery("get", "/api/config/keys");
  const nameOf = usePersonName();
  const scopeText = useScopeText();
  const [search, setSearch] = useState(filters.search ?? "");

  const rows = useMemo(
    () =>
      [...entries].map(([id, entry]): Row => ({ ...entry, id })).filter(
        (entry) =>
          (filters.scope === undefined || entry.scope === filters.scope) &&
          (filters.target === undefined || entry.target === filters.target) &&
          (filters.key === undefined || entry.key === filters.key),
      ),
    [entries, filters.scope, filters.target, filters.key],
  );
  const targets = useMemo(
    () => [...new Set([...entries.values()].filter((one) => one.scope === filters.scope).map((one) => one.target))].sort(),
    [entries, filters.scope],
  );
  const keysUsed = useMemo(() => [...new Set([...entries.values()].map((one) => one.key))].sort(), [entries]);
  const units = useMemo(() => new Map(keys.data?.items.map((one) => [one.key, one.spec.unit])), [keys.data]);
  const columns: Column<Row>[] = [
    {
      id: "key",
      header: t("key"),
      accessorFn: (entry) => entry.key,
      meta: { width: "1.5" },
      cell: ({ row: { original } }) => <span className="truncate font-medium">{original.key}</span>,
    },
    {
      id: "value",
      header: t("value"),
      accessorFn: (entry) => shownValue(entry.value),
      cell: ({ row: { original } }) => <Value value={original.value} unit={units.get(original.key)} className="truncate" />,
    },
    {
      id: "scope",
      header: t("scope"),
      accessorFn: (entry) => scopeText(entry.scope, entry.target),
      meta: { from: 30 },
      cell: ({ row: { original } }) => <span className="truncate">{scopeText(original.scope, original.target)}</span>,
    },
    { id: "version", header: t("version"), accessorFn: (entry) => entry.version, meta: { width: "6rem", isNumber: true, from: 45 } },
    {
      id: "changed",
      header: t("changed"),
      accessorFn: (entry) => entry.updated_at,
      meta: { width: "12rem", from: 60 },
      cell: ({ row: { original } }) => <span className="figures text-ink-soft">{format.dateTime(original.updated_at)}</span>,
    },
    {
      id: "by",
      header: t("by"),
      accessorFn: (entry) => nameOf(entry.updated_by, entry.source),
      meta: { from: 60 },
      cell: ({ row: { original } }) => <span className="truncate text-ink-soft">{nameOf(original.updated_by, original.source)}</span>,
    },
  ];
  const isFiltered = filters.scope !== undefined || filters.key !== undefined || search !== "";
  if (!isKnown) return <LoadingState />;
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center gap-2">
        <SearchField
          value={search}
          label={t("search")}
          onChange={(text) => {
            setSearch(text);
            onChoose({ search: text });
          }}
        />
        <Select
          isInline
          aria-label={t("scope")}
          value={filters.scope ?? ""}
          onChange={(event) => { onChoose({ scope: event.target.value, target: undefined }); }}
        >
          <option value="">{t("anyScope")}</option>
          {SCOPES.map((scope) => <option key={scope} value={scope}>{t(scope)}</option>)}
        </Select>
        {filters.scope !== undefined && filters.scope !== "all" && (
          <Select
            isInline
            aria-label={t("target")}
            value={filters.target ?? ""}
            onChange={(event) => { onChoose({ target: event.target.value }); }}
          >
            <option value="">{t("anyTarget")}</option>
            {targets.map((target) => <option key={target}>{target}</option>)}
          </Select>
        )}
        <Select isInline aria-label={t("key")} value={filters.key ?? ""} onChange={(event) => { onChoose({ key: event.target.value }); }}>
          <option value="">{t("anyKey")}</option>
          {keysUsed.map((key) => <option key={key}>{key}</option>)}
        </Select>
        {isFiltered && (
          <Button
            tone="quiet"
            onClick={() => {
              setSearch("");
              onChoose({ scope: undefined, target: undefined, key: undefined, search: undefined });
            }}
          >
            {t("clear")}
          </Button>
        )}
      </div>
      <Panel isFlush>
        <Table
          rows={rows}
          columns={columns}
          rowId={(entry) => entry.id}
          label={t("tabEntries")}
          search={search}
          initialSort={[{ id: "key", desc: false }]}
          onOpen={(entry) => { onOpen(entry.id); }}
          empty={isFiltered ? <EmptyState title={t("noneFits")} /> : <EmptyState title={t("none")}>{t("noneHint")}</EmptyState>}
          height="max(20rem, calc(100dvh - 20rem))"
        />
      </Panel>
    </div>
  );
}
