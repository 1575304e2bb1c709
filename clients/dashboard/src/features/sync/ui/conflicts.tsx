import { keepPreviousData } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { query, queryClient } from "@/shared/api/client";
import type { components } from "@/shared/api/generated/sync";
import { ApiProblem } from "@/shared/api/problem";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { useStateOf } from "@/shared/streams/hooks";
import { ActionButton } from "@/shared/ui/button";
import { Select } from "@/shared/ui/field";
import { Pages } from "@/shared/ui/pages";
import { Panel } from "@/shared/ui/panel";
import { Await, EmptyState, useProblemText } from "@/shared/ui/states";
import { Badge } from "@/shared/ui/status";
import { notify } from "@/shared/ui/toast";
import { ENTITIES, readFilters } from "../model/filters";
import type { Entity, SyncFilters } from "../model/filters";
import { rowName, twoSides } from "../model/two-sides";
import { syncTexts } from "../texts";

type Conflict = components["schemas"]["ConflictAnswer"];
const route = getRouteApi("/sync");
const PATH = "/api/sync/conflicts";
const PAGE = 20;

/** What was edited in two places at once: both versions, and a choice. */
export function Conflicts({ filters }: { filters: SyncFilters }) {
  const t = useText(syncTexts);
  const navigate = route.useNavigate();
  const choose = (change: Record<string, unknown>): void => {
    void navigate({ to: "/sync", search: readFilters({ ...filters, page: undefined, ...change }), replace: true });
  };
  const conflicts = query.useQuery(
    "get",
    PATH,
    {
      params: {
        query: {
          page: filters.page ?? 1,
          limit: PAGE,
          state: filters.state ?? "open",
          ...(filters.entity !== undefined && { entity: filters.entity }),
        },
      },
    },
    { placeholderData: keepPreviousData },
  );
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap gap-2">
        <Select aria-label={t("state")} isInline value={filters.state ?? ""} onChange={(event) => { choose({ state: event.target.value }); }}>
          <option value="">{t("open")}</option>
          <option value="resolved">{t("resolved")}</option>
        </Select>
        <Select aria-label={t("entity")} isInline value={filters.entity ?? ""} onChange={(event) => { choose({ entity: event.target.value }); }}>
          <option value="">{t("anyEntity")}</option>
          {ENTITIES.map((entity) => (
            <option key={entity} value={entity}>{t(entity)}</option>
          ))}
        </Select>
      </div>
      <Await asked={conflicts}>
        {(data) =>
          data.items.length === 0 ? (
            <EmptyState title={t(filters.state === "resolved" ? "noResolved" : "noConflicts")}>{t("noConflictsHint")}</EmptyState>
          ) : (
            <>
              <ul className="grid gap-4 xl:grid-cols-2">
                {data.items.map((conflict) => (
                  <li key={conflict.id}>
                    <OneConflict conflict={conflict} />
                  </li>
                ))}
              </ul>
              <Pages page={data.page} limit={data.limit} total={data.total} onChange={(page) => { choose({ page }); }} />
            </>
          )
        }
      </Await>
    </div>
  );
}

function OneConflict({ conflict }: { conflict: Conflict }) {
  const t = useText(syncTexts);
  const format = useFormat();
  const desktop = useStateOf("devices", conflict.desktop_id);
  const fields = twoSides(conflict, t("passwordChanged"));
  const holder = (side: "desktop" | "server", inForce: "desktop" | "server"): ReactNode =>
    side === inForce && <Badge tone="ok">{t("inForce")}</Badge>;
  return (
    <Panel title={t("conflictOf", { name: rowName(conflict) })}>
      <p className="mb-3 text-sm text-ink-soft">
        {t("edited", {
          entity: (ENTITIES as readonly string[]).includes(conflict.entity) ? t(conflict.entity as Entity) : conflict.entity,
          time: format.dateTime(Date.parse(conflict.at)),
          desktop: desktop?.name ?? conflict.desktop_id,
        })}
      </p>
      <table className="w-full table-fixed text-left text-sm">
        <thead className="text-xs text-ink-soft">
          <tr>
            <th scope="col" className="w-1/4 py-1 pr-2 font-medium">{t("field")}</th>
            <th scope="col" className="py-1 pr-2 font-medium">{t("onDesktop")}</th>
            <th scope="col" className="py-1 font-medium">{t("onServer")}</th>
          </tr>
        </thead>
        <tbody>
          {fields.map(({ field, desktop: wanted, server, inForce }) => (
            <tr key={field} className="border-t border-line align-top">
              <th scope="row" className="py-2 pr-2 font-medium break-words">{field}</th>
              <td className="py-2 pr-2 break-words">
                <span className="flex flex-wrap items-center gap-2">{wanted}{holder("desktop", inForce)}</span>
              </td>
              <td className="py-2 break-words">
                <span className="flex flex-wrap items-center gap-2">{server}{holder("server", inForce)}</span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <footer className="mt-4 flex flex-wrap items-center gap-2">
        <Choice conflict={conflict} />
      </footer>
    </Panel>
  );
}

function Choice({ conflict }: { conflict: Conflict }) {
  const t = useText(syncTexts);
  const format = useFormat();
  const problemText = useProblemText();
  const restore = query.useMutation("post", "/api/sync/conflicts/{conflict_id}/restore");
  const dismiss = query.useMutation("post", "/api/sync/conflicts/{conflict_id}/dismiss");
  if (conflict.resolution !== null) {
    const time = conflict.resolved_at === null ? "" : format.dateTime(Date.parse(conflict.resolved_at));
    return <p className="text-sm text-ink-soft">{t(conflict.resolution === "restored" ? "wasRestored" : "wasDismissed", { time })}</p>;
  }
  const answer = (text: string) => ({
    onSuccess: () => {
      notify("ok", text);
    },
    onError: (error: unknown) => {
      const isGone = error instanceof ApiProblem && error.status === 409;
      notify(isGone ? "warn" : "bad", isGone ? t("already") : problemText(error));
    },
    onSettled: () => {
      void queryClient.invalidateQueries({ queryKey: ["get", PATH] });
    },
  });
  const params = { params: { path: { conflict_id: conflict.id } } };
  const isBusy = restore.isPending || dismiss.isPending;
  return (
    <>
      <p className="grow text-sm">{t(conflict.winner === "server" ? "serverWon" : "desktopWon")}</p>
      <ActionButton permission="sync:resolve" isBusy={isBusy} onClick={() => { dismiss.mutate(params, answer(t("dismissed"))); }}>
        {t("dismiss")}
      </ActionButton>
      <ActionButton
        permission="sync:resolve"
        tone="primary"
        isBusy={isBusy}
        onClick={() => {
          restore.mutate(params, answer(t("restored")));
        }}
      >
        {t(conflict.winner === "server" ? "restoreDesktop" : "restoreServer")}
      </ActionButton>
    </>
  );
}
