import { getRouteApi } from "@tanstack/react-router";
import { useEffect, useMemo } from "react";
import type { ReactNode } from "react";
import { queryClient } from "@/shared/api/client";
import { useText } from "@/shared/i18n/messages";
import { useStates } from "@/shared/streams/hooks";
import { PageHeader } from "@/shared/ui/panel";
import { Tabs } from "@/shared/ui/tabs";
import { readFilters } from "../model/filters";
import { syncTexts } from "../texts";
import { Conflicts } from "./conflicts";
import { Desktops } from "./desktops";
import { SyncLog } from "./sync-log";

const route = getRouteApi("/sync");

/** What desktops send comes in bursts: what it changes is asked for again when it has come to rest for so long. */
const REST_MS = 500;

/** Bring the inbox, the log and the list of desktops up to date when the socket tells that any desktop moved. */
function useNews(moved: string): void {
  useEffect(() => {
    const timer = setTimeout(() => {
      for (const path of ["/api/sync/conflicts", "/api/sync/log", "/api/sync/desktops"]) {
        void queryClient.invalidateQueries({ queryKey: ["get", path] });
      }
    }, REST_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [moved]);
}

/** How far each desktop is, what was edited in two places at once, and what was applied or not. */
export function Screen(): ReactNode {
  const t = useText(syncTexts);
  const filters = route.useSearch();
  const navigate = route.useNavigate();
  const desktops = useStates("sync");
  const open = useMemo(() => [...desktops.values()].reduce((sum, desktop) => sum + desktop.conflicts, 0), [desktops]);
  useNews(useMemo(() => [...desktops].map(([id, { cursor, pending, conflicts }]) => [id, cursor, pending, conflicts].join()).join(";"), [desktops]));
  return (
    <>
      <PageHeader title={t("title")} description={t("description")} />
      <Tabs
        label={t("title")}
        value={filters.tab ?? "desktops"}
        onChange={(tab) => void navigate({ to: "/sync", search: readFilters({ tab }) })}
        tabs={[
          { id: "desktops", label: t("desktops"), content: <Desktops /> },
          {
            id: "conflicts",
            label: open > 0 ? t("conflictsCount", { count: open }) : t("conflicts"),
            content: <Conflicts filters={filters} />,
          },
          { id: "log", label: t("log"), content: <SyncLog filters={filters} /> },
        ]}
      />
    </>
  );
}
