import { Plus } from "lucide-react";
import { useState } from "react";
import { query } from "@/shared/api/client";
import type { components } from "@/shared/api/generated/sync";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { ActionButton } from "@/shared/ui/button";
import { Panel } from "@/shared/ui/panel";
import { SearchField } from "@/shared/ui/search-field";
import { Await } from "@/shared/ui/states";
import { Table } from "@/shared/ui/table";
import type { Column } from "@/shared/ui/table";
import { configTexts } from "../texts";
import { KeyEditor } from "./key-editor";
import { shownValue, Value } from "./saying";

export type Key = components["schemas"]["KeyAnswer"];

/** What a key's values may be, in words. */
export function useBoundsText(): (spec: Key["spec"]) => string {
  const t = useText(configTexts);
  const format = useFormat();
  const figure = (value: number): string => format.number(value, Number.isInteger(value) ? 0 : 3);
  return (spec) => {
    if (spec.choices != null) return spec.choices.join(", ");
    const low = spec.minimum == null ? undefined : figure(spec.minimum);
    const high = spec.maximum == null ? undefined : figure(spec.maximum);
    if (low !== undefined && high !== undefined) return t("between", { low, high });
    if (low !== undefined) return t("atLeast", { low });
    if (high !== undefined) return t("atMost", { high });
    return spec.type === "text" || spec.type === "text_list" ? t("upTo", { length: format.number(spec.max_length ?? 256) }) : "—";
  };
}

/** Every key with what its values may be; one's own can be changed. */
export function Keys() {
  const t = useText(configTexts);
  const keys = query.useQuery("get", "/api/config/keys");
  const boundsText = useBoundsText();
  const [search, setSearch] = useState("");
  const [edited, setEdited] = useState<Key | "new" | undefined>();
  const columns: Column<Key>[] = [
    {
      id: "key",
      header: t("key"),
      accessorFn: ({ key, spec }) => `${key} ${spec.description ?? ""}`,
      meta: { width: "2" },
      cell: ({ row: { original } }) => (
        <span className="min-w-0 truncate" title={original.spec.description}>
          <span className="font-medium">{original.key}</span>
          <span className="ml-2 text-ink-faint">{original.spec.description}</span>
        </span>
      ),
    },
    { id: "type", header: t("type"), accessorFn: ({ spec }) => t(spec.type), meta: { width: "8rem", from: 30 } },
    {
      id: "usual",
      header: t("usual"),
      accessorFn: ({ spec }) => shownValue(spec.default),
      meta: { width: "0.8" },
      cell: ({ row: { original: { spec } } }) => <Value value={spec.default} unit={spec.unit} className="truncate" />,
    },
    {
      id: "bounds",
      header: t("bounds"),
      accessorFn: ({ spec }) => boundsText(spec),
      meta: { from: 60 },
      cell: ({ row: { original: { spec } } }) => <span className="figures truncate text-ink-soft">{boundsText(spec)}</span>,
    },
    {
      id: "origin",
      header: t("origin"),
      accessorFn: (key) => t(key.is_built_in ? "builtIn" : "ownKey"),
      meta: { width: "7rem", from: 45 },
    },
  ];
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center gap-3">
        <p className="grow text-sm text-ink-soft">{t("keysHint")}</p>
        <SearchField value={search} onChange={setSearch} />
        <ActionButton permission="config:write" icon={<Plus className="size-4" aria-hidden />} onClick={() => { setEdited("new"); }}>
          {t("addKey")}
        </ActionButton>
      </div>
      <Await asked={keys}>
        {(data) => (
          <Panel isFlush>
            <Table
              rows={data.items}
              columns={columns}
              rowId={({ key }) => key}
              label={t("tabKeys")}
              search={search}
              initialSort={[{ id: "key", desc: false }]}
              onOpen={setEdited}
              height="max(20rem, calc(100dvh - 20rem))"
            />
          </Panel>
        )}
      </Await>
      {edited !== undefined && <KeyEditor declared={edited === "new" ? undefined : edited} onClose={() => { setEdited(undefined); }} />}
    </div>
  );
}
