import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useMemo, useState } from "react";
import type { ReactNode } from "react";
import { ApiProblem } from "@/shared/api/problem";
import { setPaused, usePaused } from "@/shared/charts/paused";
import { useText } from "@/shared/i18n/messages";
import { useLatestWanted, useStates, useTrust } from "@/shared/streams/hooks";
import { telemetry } from "@/shared/streams/live";
import { Button } from "@/shared/ui/button";
import { PageHeader } from "@/shared/ui/panel";
import { EmptyState, ErrorState, LoadingState, useProblemText } from "@/shared/ui/states";
import { notify } from "@/shared/ui/toast";
import { saveDashboard, useDashboard, useDashboards } from "../api/dashboards";
import { shownOf } from "../model/document";
import type { ShownDashboard } from "../model/document";
import { complete } from "../model/layout";
import { starterWidgets } from "../model/starter";
import { dashboardTexts } from "../texts";
import { DashboardActions } from "./dashboard-actions";
import { GridView } from "./grid-view";
import { useGrid } from "./use-grid";
import { useKeptDashboard } from "./use-kept-dashboard";

const Editor = lazy(() => import("./dashboard-editor").then((module) => ({ default: module.DashboardEditor })));
const route = getRouteApi("/");

/** Who has no dashboard sees what so many devices send; a screen holds no more. */
const STARTER_DEVICES = 8;
/** The first values are there by then; whoever has none sees the rest without them. */
const STARTER_WAIT_MS = 1_500;

/** What matters, at a glance: one's own dashboards, or a first one made of what the devices send. */
export function Screen(): ReactNode {
  const list = useDashboards();
  const { dashboard: asked } = route.useSearch();
  const items = list.data?.items;
  const chosen = items?.find((item) => item.id === asked) ?? items?.find((item) => item.is_default) ?? items?.[0];
  const found = useDashboard(chosen?.id);
  const kept = useKeptDashboard(found.data);
  // Without an answer there still is something to show: what was seen last, in the usual places.
  const isOut = useTrust() === "silent" && items === undefined;
  const answer = found.data ?? (items === undefined || chosen !== undefined ? kept : undefined);
  if (answer !== undefined && (asked === undefined || answer.id === asked || isOut)) {
    return <Shown key={answer.id} dashboard={shownOf(answer)} />;
  }
  if (isOut || (items !== undefined && chosen === undefined)) return <Starter />;
  const error = list.error ?? found.error;
  if (error !== null) return <ErrorState error={error} onRetry={() => void (list.error === null ? found : list).refetch()} />;
  return <LoadingState />;
}

function Starter() {
  const t = useText(dashboardTexts);
  const devices = useStates("devices");
  const ids = useMemo(() => [...devices.keys()].sort().slice(0, STARTER_DEVICES), [devices]);
  useLatestWanted(ids);
  const [widgets, setWidgets] = useState<ReturnType<typeof starterWidgets> | undefined>();
  useEffect(() => {
    if (widgets !== undefined) return;
    const settle = (): void => {
      setWidgets(starterWidgets(ids.flatMap((id) => telemetry.metrics(id).flatMap((metric) => telemetry.sample(id, metric) ?? []))));
    };
    const off = telemetry.onAny(() => {
      // A snapshot comes page by page, and all of it within a frame or two.
      if (ids.length > 0 && ids.every((id) => telemetry.metrics(id).length > 0)) settle();
    });
    const timer = setTimeout(settle, STARTER_WAIT_MS);
    return () => {
      off();
      clearTimeout(timer);
    };
  }, [ids, widgets]);
  if (widgets === undefined) return <LoadingState />;
  return <Shown dashboard={{ id: undefined, name: t("starter"), version: 0, isDefault: true, widgets, layouts: {} }} />;
}

function Shown({ dashboard }: { dashboard: ShownDashboard }) {
  const t = useText(dashboardTexts);
  const problemText = useProblemText();
  const navigate = useNavigate();
  const [edited, setEdited] = useState<ShownDashboard | undefined>();
  const [isBusy, setBusy] = useState(false);
  const { ref, measured } = useGrid();
  const shown = edited ?? dashboard;
  const places = measured === undefined ? [] : complete(shown.widgets, shown.layouts[measured.grid.name], measured.grid.columns);

  const save = (next: ShownDashboard): void => {
    setBusy(true);
    saveDashboard(next)
      .then(
        (kept) => {
          setEdited(undefined);
          notify("ok", t("saved"));
          void navigate({ to: "/", search: { dashboard: kept.id } });
        },
        (error: unknown) => {
          const isOld = error instanceof ApiProblem && error.status === 412;
          if (isOld) setEdited(undefined);
          notify("bad", isOld ? t("changedElsewhere") : error instanceof ApiProblem && error.code === "dashboard_exists" ? t("nameTaken") : problemText(error));
        },
      )
      .finally(() => {
        setBusy(false);
      });
  };

  return (
    <>
      <PageHeader
        title={dashboard.id === undefined ? t("title") : shown.name}
        actions={
          <DashboardActions
            dashboard={shown}
            isEditing={edited !== undefined}
            isBusy={isBusy}
            onEdit={() => {
              setEdited(dashboard);
            }}
            onDiscard={() => {
              setEdited(undefined);
            }}
            onSave={save}
          />
        }
      />
      <PausedNote />
      <div ref={ref} className="min-w-0">
        {measured !== undefined &&
          (edited !== undefined ? (
            <Suspense fallback={<LoadingState />}>
              <Editor dashboard={edited} places={places} measured={measured} onChange={setEdited} />
            </Suspense>
          ) : shown.widgets.length === 0 ? (
            <EmptyState title={t("empty")}>{t("emptyHint")}</EmptyState>
          ) : (
            <GridView widgets={shown.widgets} places={places} measured={measured} />
          ))}
      </div>
    </>
  );
}

function PausedNote() {
  const t = useText(dashboardTexts);
  const isPaused = usePaused();
  if (!isPaused) return null;
  return (
    <div role="status" className="fixed bottom-4 left-1/2 z-30 flex -translate-x-1/2 items-center gap-3 rounded-lg border border-line bg-raised px-4 py-2 text-sm shadow-high">
      {t("paused")}
      <Button onClick={() => { setPaused(false); }}>{t("resume")}</Button>
    </div>
  );
}
