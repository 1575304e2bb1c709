import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { X } from "lucide-react";
import { useMemo } from "react";
import type { ReactNode } from "react";
import { api } from "@/shared/api/client";
import { State } from "@/shared/commands/command-state";
import { STATES } from "@/shared/commands/states";
import { commandStateTexts } from "@/shared/commands/texts";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { useEvents, useStates } from "@/shared/streams/hooks";
import type { CommandStep } from "@/shared/streams/shapes";
import { useRefetchOn } from "@/shared/streams/use-refetch-on";
import { useFromNow } from "@/shared/time/ticker";
import { Button } from "@/shared/ui/button";
import { Select } from "@/shared/ui/field";
import { Panel } from "@/shared/ui/panel";
import { Await, EmptyState } from "@/shared/ui/states";
import { Table } from "@/shared/ui/table";
import type { Column } from "@/shared/ui/table";
import { withNews } from "../model/command-states";
import type { CommandItem, ToldStep } from "../model/command-states";
import { readFilters } from "../model/filters";
import type { CommandFilters } from "../model/filters";
import { commandTexts } from "../texts";

const route = getRouteApi("/commands");
const PATH = "/api/commands";
const PAGE = 100;

/** The commands, newest first; each is as far as the socket says it is. */
export function CommandList({ filters }: { filters: CommandFilters }) {
  const t = useText(commandTexts);
  const { device, state, name, batch } = filters;
  const pages = useInfiniteQuery({
    queryKey: ["get", PATH, { device, state, name, batch }],
    initialPageParam: null as number | null,
    queryFn: async ({ pageParam, signal }) => {
      const query = {
        limit: PAGE,
        ...(device !== undefined && { device_id: device }),
        ...(state !== undefined && { state: [state] }),
        ...(name !== undefined && { name }),
        ...(batch !== undefined && { batch_id: batch }),
        ...(pageParam !== null && { cursor: pageParam }),
      };
      const { data } = await api.GET(PATH, { params: { query }, signal });
      if (data === undefined) throw new Error("an answer without a body");
      return data;
    },
    getNextPageParam: (last) => last.next_cursor,
  });
  useRefetchOn("commands", PATH);
  return (
    <div className="flex flex-col gap-4">
      <Filters filters={filters} />
      <Await asked={pages}>
        {(data) => (
          <Rows
            items={data.pages.flatMap((page) => page.items)}
            isFiltered={device !== undefined || state !== undefined || name !== undefined || batch !== undefined}
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

function Filters({ filters }: { filters: CommandFilters }) {
  const t = useText(commandTexts);
  const stateText = useText(commandStateTexts);
  const navigate = route.useNavigate();
  const devices = useStates("devices");
  const choose = (change: Record<string, string>): void => {
    void navigate({ to: "/commands", search: (before) => readFilters({ ...before, ...change }), replace: true });
  };
  return (
    <div className="flex flex-wrap items-center gap-2">
      <Select
        aria-label={t("device")}
        value={filters.device ?? ""}
        isInline className="max-w-64"
        onChange={(event) => {
          choose({ device: event.target.value });
        }}
      >
        <option value="">{t("anyDevice")}</option>
        {[...devices].sort(([, a], [, b]) => a.name.localeCompare(b.name)).map(([id, device]) => (
          <option key={id} value={id}>{device.name}</option>
        ))}
      </Select>
      <Select
        aria-label={t("state")}
        value={filters.state ?? ""}
        isInline
        onChange={(event) => {
          choose({ state: event.target.value });
        }}
      >
        <option value="">{t("anyState")}</option>
        {STATES.map((state) => (
          <option key={state} value={state}>{stateText(state)}</option>
        ))}
      </Select>
      {filters.batch !== undefined && (
        <Button icon={<X className="size-4" aria-hidden />} onClick={() => { choose({ batch: "" }); }}>
          {t("batch")}
        </Button>
      )}
    </div>
  );
}

function stepsByCommand(events: ReturnType<typeof useEvents>): ReadonlyMap<string, readonly ToldStep[]> {
  const found = new Map<string, ToldStep[]>();
  for (const { ts, data } of events) {
    const step = data as unknown as CommandStep;
    const known = found.get(step.command_id);
    if (known === undefined) found.set(step.command_id, [{ ts, data: step }]);
    else known.push({ ts, data: step });
  }
  return found;
}

function Rows({ items, isFiltered, older }: { items: readonly CommandItem[]; isFiltered: boolean; older: ReactNode }) {
  const t = useText(commandTexts);
  const navigate = route.useNavigate();
  const devices = useStates("devices");
  const events = useEvents("commands");
  const rows = useMemo(() => {
    const steps = stepsByCommand(events);
    return items.map((item) => withNews(item, steps.get(item.id)));
  }, [items, events]);
  const columns = useMemo((): Column<CommandItem>[] => [
    {
      id: "name",
      header: t("command"),
      enableSorting: false,
      cell: ({ row: { original } }) => <span className="truncate font-medium">{original.name}</span>,
    },
    {
      id: "device",
      header: t("device"),
      enableSorting: false,
      meta: { width: "1.2" },
      cell: ({ row: { original } }) => <span className="truncate">{devices.get(original.device_id)?.name ?? original.device_id}</span>,
    },
    {
      id: "state",
      header: t("state"),
      enableSorting: false,
      meta: { width: "10rem" },
      cell: ({ row: { original } }) => <State state={original.state} progress={original.progress} name={original.name} />,
    },
    {
      id: "note",
      header: t("note"),
      enableSorting: false,
      meta: { width: "2", from: 75 },
      cell: ({ row: { original } }) => (
        <span className="truncate text-ink-soft">{original.error?.message ?? original.error?.code ?? original.message ?? ""}</span>
      ),
    },
    {
      id: "by",
      header: t("by"),
      enableSorting: false,
      meta: { width: "8rem", from: 60 },
      cell: ({ row: { original } }) => <span className="truncate text-ink-soft">{original.actor_name}</span>,
    },
    {
      id: "at",
      header: t("at"),
      enableSorting: false,
      meta: { width: "8rem", isNumber: true, from: 45 },
      cell: ({ row: { original } }) => <Ago at={Date.parse(original.created_at)} />,
    },
  ], [t, devices]);
  return (
    <Panel isFlush>
      <Table
        rows={rows}
        columns={columns}
        rowId={(item) => item.id}
        label={t("title")}
        onOpen={(item) => void navigate({ to: "/commands", search: (before) => readFilters({ ...before, open: item.id }) })}
        empty={isFiltered ? <EmptyState title={t("noneFits")} /> : <EmptyState title={t("none")}>{t("noneHint")}</EmptyState>}
        footer={older}
        height="max(20rem, calc(100dvh - 20rem))"
      />
    </Panel>
  );
}

function Ago({ at }: { at: number }) {
  const format = useFormat();
  const text = useFromNow((now) => format.ago(Math.min(at, now), now));
  return <time dateTime={new Date(at).toISOString()} title={format.dateTime(at)} className="text-ink-soft">{text}</time>;
}
