import { getRouteApi } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import type { ReactNode } from "react";
import { useText } from "@/shared/i18n/messages";
import { usePermission } from "@/shared/session/session";
import { PageHeader } from "@/shared/ui/panel";
import { LoadingState } from "@/shared/ui/states";
import { Tabs } from "@/shared/ui/tabs";
import { readFilters, TABS } from "../model/filters";
import type { Tab } from "../model/filters";
import { alertTexts } from "../texts";
import { AlarmList } from "./alarm-list";

const route = getRouteApi("/alerts");
const AlarmDetail = lazy(() => import("./alarm-detail").then((module) => ({ default: module.AlarmDetail })));
const Rules = lazy(() => import("./rules/rules").then((module) => ({ default: module.Rules })));
const Channels = lazy(() => import("./channels/channels").then((module) => ({ default: module.Channels })));
const LABELS = { active: "tabActive", history: "tabHistory", rules: "tabRules", channels: "tabChannels" } as const;

/** What is wrong now and what was; the rules that say so, and the channels that tell people. */
export function Screen(): ReactNode {
  const t = useText(alertTexts);
  const filters = route.useSearch();
  const navigate = route.useNavigate();
  const mayWrite = usePermission("alert_rules:write");
  const content: Record<Tab, ReactNode> = {
    active: <AlarmList key="active" filters={filters} />,
    history: <AlarmList key="history" filters={filters} />,
    rules: <Rules edited={filters.edit} />,
    channels: <Channels edited={filters.edit} />,
  };
  // Where notifications go is shown to those who decide it.
  const shown = TABS.filter((tab) => tab !== "channels" || mayWrite);
  return (
    <>
      <PageHeader title={t("title")} description={t("description")} />
      <Tabs
        label={t("title")}
        value={filters.tab ?? "active"}
        onChange={(id) => {
          const tab = shown.find((one) => one === id && one !== "active") as Exclude<Tab, "active"> | undefined;
          void navigate({ to: "/alerts", search: tab === undefined ? {} : { tab } });
        }}
        tabs={shown.map((id) => ({
          id,
          label: t(LABELS[id]),
          content: <Suspense fallback={<LoadingState />}>{content[id]}</Suspense>,
        }))}
      />
      {filters.open !== undefined && (
        <Suspense fallback={null}>
          <AlarmDetail
            key={filters.open}
            alarmId={filters.open}
            onClose={() => void navigate({ to: "/alerts", search: (before) => readFilters({ ...before, open: undefined }) })}
          />
        </Suspense>
      )}
    </>
  );
}
