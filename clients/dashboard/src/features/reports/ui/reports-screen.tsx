import { getRouteApi } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import type { ReactNode } from "react";
import { query } from "@/shared/api/client";
import { useText } from "@/shared/i18n/messages";
import { PageHeader } from "@/shared/ui/panel";
import { Await, LoadingState } from "@/shared/ui/states";
import { Tabs } from "@/shared/ui/tabs";
import { readFilters } from "../model/filters";
import { reportTexts } from "../texts";
import { ReportView } from "./report-view";

const Schedules = lazy(() => import("./schedules").then((module) => ({ default: module.Schedules })));
const route = getRouteApi("/reports");

/** Reports to look at, to print and to take along, and those that are sent by themselves. */
export function Screen(): ReactNode {
  const t = useText(reportTexts);
  const filters = route.useSearch();
  const navigate = route.useNavigate();
  const kinds = query.useQuery("get", "/api/reports");
  return (
    <>
      <PageHeader title={t("title")} description={t("description")} />
      <Await asked={kinds}>
        {({ items }) => (
          <Tabs
            label={t("title")}
            value={filters.tab ?? "report"}
            onChange={(tab) => void navigate({ to: "/reports", search: (before) => readFilters({ ...before, tab }) })}
            tabs={[
              {
                id: "report",
                label: t("tabReport"),
                content: (
                  <ReportView
                    kinds={items}
                    filters={filters}
                    onChoose={(change) => {
                      void navigate({ to: "/reports", search: (before) => readFilters({ ...before, ...change }), replace: true });
                    }}
                  />
                ),
              },
              { id: "schedules", label: t("tabSchedules"), content: <Suspense fallback={<LoadingState />}><Schedules kinds={items} filters={filters} /></Suspense> },
            ]}
          />
        )}
      </Await>
    </>
  );
}
