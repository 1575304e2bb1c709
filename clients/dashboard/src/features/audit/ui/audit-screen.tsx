import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { Download, RefreshCw } from "lucide-react";
import { useCallback, useEffect, useMemo, useState } from "react";
import type { ReactNode } from "react";
import { api } from "@/shared/api/client";
import type { components } from "@/shared/api/generated/identity";
import { download } from "@/shared/api/download";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { useOnEvents } from "@/shared/streams/hooks";
import { ActionButton, Button } from "@/shared/ui/button";
import { Field, Input, Select } from "@/shared/ui/field";
import { PageHeader, Panel } from "@/shared/ui/panel";
import { Await, EmptyState, useProblemText } from "@/shared/ui/states";
import { Table } from "@/shared/ui/table";
import type { Column } from "@/shared/ui/table";
import { notify } from "@/shared/ui/toast";
import { asked, readFilters } from "../model/filters";
import type { AuditFilters } from "../model/filters";
import { auditTexts } from "../texts";
import { AuditEntry, Outcome } from "./audit-entry";
import type { AuditItem } from "./audit-entry";

const route = getRouteApi("/audit");
const PAGE = 100;
/** What is typed is asked for when the typing rests. */
const TYPING_MS = 350;

/** Who did what: filtered, page by page, with each entry's detail beside it. */
export function Screen(): ReactNode {
  const t = useText(auditTexts);
  const filters = route.useSearch();
  const problemText = useProblemText();
  const [isLoading, setLoading] = useState(false);
  const pages = useInfiniteQuery({
    queryKey: ["get", "/api/audit", filters],
    initialPageParam: null as number | null,
    queryFn: async ({ pageParam, signal }) => {
      const query = { ...asked(filters), limit: PAGE, ...(pageParam !== null && { cursor: pageParam }) };
      const { data } = await api.GET("/api/audit", { params: { query }, signal });
      // The path also answers with CSV, when it is asked for; it was not.
      return data as components["schemas"]["AuditPage"];
    },
    getNextPageParam: (last) => last.next_cursor,
  });
  const save = (): void => {
    setLoading(true);
    const search = new URLSearchParams({ ...(asked(filters) as Record<string, string>), format: "csv" });
    download(`/api/audit?${search.toString()}`, "audit.csv")
      .then(() => {
        notify("ok", t("downloaded"));
      })
      .catch((error: unknown) => {
        notify("bad", problemText(error));
      })
      .finally(() => {
        setLoading(false);
      });
  };
  const refetch = pages.refetch;
  return (
    <>
      <PageHeader
        title={t("title")}
        description={t("description")}
        actions={
          <>
            <News key={JSON.stringify(filters)} onShow={() => void refetch()} />
            <ActionButton permission="audit:read" isBusy={isLoading} icon={<Download className="size-4" aria-hidden />} onClick={save}>
              {t("download")}
            </ActionButton>
          </>
        }
      />
      <Filters filters={filters} />
      <Await asked={pages}>
        {(data) => (
          <Entries
            entries={data.pages.flatMap((page) => page.items)}
            isFiltered={Object.keys(filters).length > 0}
            older={
              pages.hasNextPage ? (
                <Button isBusy={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>
                  {t("more")}
                </Button>
              ) : undefined
            }
          />
        )}
      </Await>
    </>
  );
}

/** How many entries came since the list was read; the list never moves under the reader. */
function News({ onShow }: { onShow: () => void }) {
  const t = useText(auditTexts);
  const [count, setCount] = useState(0);
  useOnEvents("audit", useCallback((items) => { setCount((before) => before + items.length); }, []));
  if (count === 0) return null;
  return (
    <Button
      tone="quiet"
      icon={<RefreshCw className="size-4" aria-hidden />}
      onClick={() => {
        setCount(0);
        onShow();
      }}
    >
      <span role="status">{t("newer", { count })}</span>
    </Button>
  );
}

function Filters({ filters }: { filters: AuditFilters }) {
  const t = useText(auditTexts);
  const navigate = route.useNavigate();
  const [draft, setDraft] = useState<Record<string, string>>({});
  useEffect(() => {
    if (Object.keys(draft).length === 0) return;
    const timer = setTimeout(() => {
      void navigate({ to: "/audit", search: (before) => readFilters({ ...before, ...draft }), replace: true });
      setDraft({});
    }, TYPING_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [draft, navigate]);
  const typed = (name: keyof AuditFilters): { value: string; onChange: (event: { target: { value: string } }) => void } => ({
    value: draft[name] ?? filters[name] ?? "",
    onChange: (event) => {
      setDraft((before) => ({ ...before, [name]: event.target.value }));
    },
  });
  return (
    <Panel className="mb-4">
      <div className="grid grid-cols-1 items-end gap-3 sm:grid-cols-2 lg:grid-cols-3 xl:grid-cols-6">
        <Field label={t("actor")}>{(control) => <Input {...control} {...typed("actor")} placeholder={t("actorHint")} />}</Field>
        <Field label={t("action")}>{(control) => <Input {...control} {...typed("action")} placeholder={t("actionHint")} />}</Field>
        <Field label={t("resource")}>{(control) => <Input {...control} {...typed("resource")} placeholder={t("resourceHint")} />}</Field>
        <Field label={t("outcome")}>
          {(control) => (
            <Select {...control} {...typed("outcome")}>
              <option value="">{t("anyOutcome")}</option>
              <option value="success">{t("success")}</option>
              <option value="refused">{t("refused")}</option>
              <option value="failed">{t("failed")}</option>
            </Select>
          )}
        </Field>
        <Field label={t("from")}>{(control) => <Input {...control} {...typed("from")} type="datetime-local" />}</Field>
        <Field label={t("to")}>{(control) => <Input {...control} {...typed("to")} type="datetime-local" />}</Field>
      </div>
      {Object.keys(filters).length > 0 && (
        <Button
          tone="quiet"
          className="mt-3"
          onClick={() => {
            setDraft({});
            void navigate({ to: "/audit", search: {} });
          }}
        >
          {t("clear")}
        </Button>
      )}
    </Panel>
  );
}

function Entries({ entries, isFiltered, older }: { entries: readonly AuditItem[]; isFiltered: boolean; older: ReactNode }) {
  const t = useText(auditTexts);
  const format = useFormat();
  const [opened, setOpened] = useState<AuditItem | undefined>();
  const columns = useMemo((): Column<AuditItem>[] => [
    {
      id: "at",
      header: t("at"),
      enableSorting: false,
      meta: { width: "11.5rem", from: 30 },
      cell: ({ row: { original } }) => <span className="figures text-ink-soft">{format.dateTime(Date.parse(original.at))}</span>,
    },
    {
      id: "actor",
      header: t("actor"),
      enableSorting: false,
      cell: ({ row: { original } }) => (
        <span className="min-w-0 truncate">
          <span className="font-medium">{original.actor.name ?? original.actor.id ?? t("anonymous")}</span>
          <span className="figures block truncate text-xs text-ink-soft @min-[30rem]:hidden">
            {original.action}, {format.time(Date.parse(original.at))}
          </span>
        </span>
      ),
    },
    {
      id: "action",
      header: t("action"),
      enableSorting: false,
      meta: { width: "1.5", from: 30 },
      cell: ({ row: { original } }) => <span className="truncate">{original.action}</span>,
    },
    {
      id: "resource",
      header: t("resource"),
      enableSorting: false,
      meta: { width: "1.5", from: 45 },
      cell: ({ row: { original: { resource } } }) => (
        <span className="truncate text-ink-soft">{[resource.type, resource.id].filter(Boolean).join(" · ")}</span>
      ),
    },
    {
      id: "outcome",
      header: t("outcome"),
      enableSorting: false,
      meta: { width: "8.5rem" },
      cell: ({ row: { original } }) => <Outcome outcome={original.outcome} />,
    },
    {
      id: "address",
      header: t("address"),
      enableSorting: false,
      meta: { width: "9rem", from: 75 },
      cell: ({ row: { original } }) => <span className="figures text-ink-faint">{original.address ?? "—"}</span>,
    },
  ], [t, format]);
  return (
    <Panel isFlush>
      <Table
        rows={entries}
        columns={columns}
        rowId={(entry) => entry.id}
        label={t("title")}
        onOpen={setOpened}
        empty={<EmptyState title={t(isFiltered ? "none" : "noneYet")} />}
        footer={older}
        height="max(20rem, calc(100dvh - 22rem))"
      />
      {opened !== undefined && (
        <AuditEntry
          entry={opened}
          onClose={() => {
            setOpened(undefined);
          }}
        />
      )}
    </Panel>
  );
}
