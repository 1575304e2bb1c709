import { getRouteApi } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import type { ReactNode } from "react";
import { useText } from "@/shared/i18n/messages";
import { ActionButton } from "@/shared/ui/button";
import { PageHeader } from "@/shared/ui/panel";
import { LoadingState } from "@/shared/ui/states";
import { Tabs } from "@/shared/ui/tabs";
import { readFilters } from "../model/filters";
import type { ConfigFilters } from "../model/filters";
import { configTexts } from "../texts";
import { Applied } from "./applied";
import { Effective } from "./effective";
import { Entries } from "./entries";

const EntryDetail = lazy(() => import("./entry-detail").then((module) => ({ default: module.EntryDetail })));
const Keys = lazy(() => import("./keys").then((module) => ({ default: module.Keys })));
const NewEntry = lazy(() => import("./new-entry").then((module) => ({ default: module.NewEntry })));
const route = getRouteApi("/config");

/** What devices shall hold to: entries by scope, what holds on one device, what is in force where, and the keys. */
export function Screen(): ReactNode {
  const t = useText(configTexts);
  const filters = route.useSearch();
  const navigate = route.useNavigate();
  const [isAdding, setAdding] = useState(false);
  const choose = (change: Record<string, unknown>): void => {
    void navigate({ to: "/config", search: (before) => readFilters({ ...before, page: undefined, ...change }), replace: true });
  };
  const open = (id: string | undefined): void => {
    void navigate({ to: "/config", search: (before): ConfigFilters => readFilters({ ...before, open: id }) });
  };
  return (
    <>
      <PageHeader
        title={t("title")}
        description={t("description")}
        actions={
          <ActionButton
            permission="config:write"
            tone="primary"
            icon={<Plus className="size-4" aria-hidden />}
            onClick={() => { setAdding(true); }}
          >
            {t("add")}
          </ActionButton>
        }
      />
      <Tabs
        label={t("title")}
        value={filters.tab ?? "entries"}
        onChange={(tab) => void navigate({ to: "/config", search: readFilters({ tab, device: filters.device }) })}
        tabs={[
          { id: "entries", label: t("tabEntries"), content: <Entries filters={filters} onChoose={choose} onOpen={open} /> },
          { id: "device", label: t("tabDevice"), content: <Effective filters={filters} onChoose={choose} onOpen={open} /> },
          { id: "applied", label: t("tabApplied"), content: <Applied filters={filters} onChoose={choose} onOpen={open} /> },
          { id: "keys", label: t("tabKeys"), content: <Suspense fallback={<LoadingState />}><Keys /></Suspense> },
        ]}
      />
      <Suspense>
      {filters.open !== undefined && <EntryDetail key={filters.open} id={filters.open} onClose={() => { open(undefined); }} />}
      {isAdding && (
        <NewEntry
          filters={filters}
          onClose={() => { setAdding(false); }}
          onOpen={(id) => {
            setAdding(false);
            open(id);
          }}
        />
      )}
      </Suspense>
    </>
  );
}
