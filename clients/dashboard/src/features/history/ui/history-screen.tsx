import { getRouteApi } from "@tanstack/react-router";
import { Download, RefreshCw } from "lucide-react";
import { Suspense, lazy, useMemo, useState } from "react";
import type { ReactNode } from "react";
import { useText } from "@/shared/i18n/messages";
import { ActionButton, Button } from "@/shared/ui/button";
import { PageHeader } from "@/shared/ui/panel";
import { EmptyState, LoadingState } from "@/shared/ui/states";
import { Tabs } from "@/shared/ui/tabs";
import { readFilters, stretchOf } from "../model/filters";
import { historyTexts } from "../texts";
import { Selection } from "./selection";

const route = getRouteApi("/history");
// Charts and tables weigh more than the rest: each comes when it is looked at.
const Curves = lazy(() => import("./curves").then((found) => ({ default: found.Curves })));
const Rows = lazy(() => import("./rows").then((found) => ({ default: found.Rows })));
const ExportList = lazy(() => import("./export-list").then((found) => ({ default: found.ExportList })));
const ExportDialog = lazy(() => import("./export-dialog").then((found) => ({ default: found.ExportDialog })));

/** What was recorded: any metrics of any devices, over any stretch, as curves, row by row, or as a file. */
export function Screen(): ReactNode {
  const t = useText(historyTexts);
  const filters = route.useSearch();
  const navigate = route.useNavigate();
  // A stretch up to now stands still until somebody wants it up to now again.
  const [now, setNow] = useState(() => Date.now());
  const [isExporting, setExporting] = useState(false);
  const stretch = useMemo(() => stretchOf(filters, now), [filters, now]);
  const isChosen = filters.devices !== undefined;
  const choose = (change: Record<string, unknown>, isReplaced = false): void => {
    void navigate({ to: "/history", search: readFilters({ ...filters, cursor: undefined, ...change }), replace: isReplaced });
  };
  const none = <EmptyState title={t("choose")}>{t("chooseHint")}</EmptyState>;
  const shown = { filters, stretch, onChange: choose };
  return (
    <>
      <PageHeader
        title={t("title")}
        description={t("description")}
        actions={
          <>
            <Button
              icon={<RefreshCw className="size-4" aria-hidden />}
              disabled={filters.from !== undefined}
              onClick={() => {
                setNow(Date.now());
              }}
            >
              {t("refresh")}
            </Button>
            <ActionButton
              permission="telemetry:read"
              icon={<Download className="size-4" aria-hidden />}
              blocked={isChosen ? undefined : t("choose")}
              onClick={() => {
                setExporting(true);
              }}
            >
              {t("export")}
            </ActionButton>
          </>
        }
      />
      <Selection filters={filters} stretch={stretch} onChange={choose} />
      <Tabs
        label={t("title")}
        value={filters.tab ?? "curves"}
        onChange={(tab) => {
          choose({ tab });
        }}
        tabs={[
          { id: "curves", label: t("curves"), content: <Suspense fallback={<LoadingState />}>{isChosen ? <Curves {...shown} /> : none}</Suspense> },
          { id: "rows", label: t("rows"), content: <Suspense fallback={<LoadingState />}>{isChosen ? <Rows {...shown} /> : none}</Suspense> },
          { id: "exports", label: t("exports"), content: <Suspense fallback={<LoadingState />}><ExportList /></Suspense> },
        ]}
      />
      {isExporting && (
        <Suspense>
          <ExportDialog
            filters={filters}
            stretch={stretch}
            onClose={() => {
              setExporting(false);
            }}
            onBegun={() => {
              setExporting(false);
              choose({ tab: "exports" });
            }}
          />
        </Suspense>
      )}
    </>
  );
}
