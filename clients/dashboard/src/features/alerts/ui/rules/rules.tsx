import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useCallback, useMemo, useState } from "react";
import { queryClient } from "@/shared/api/client";
import { ApiProblem } from "@/shared/api/problem";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { ActionButton } from "@/shared/ui/button";
import { cx } from "@/shared/ui/classes";
import { Panel } from "@/shared/ui/panel";
import { SearchField } from "@/shared/ui/search-field";
import { Await, EmptyState, useProblemText } from "@/shared/ui/states";
import { Table } from "@/shared/ui/table";
import type { Column } from "@/shared/ui/table";
import { notify } from "@/shared/ui/toast";
import { bodyOf } from "../../model/rule-draft";
import type { Rule } from "../../model/rule-draft";
import { ruleTexts } from "../../rule-texts";
import { Toggle } from "../form/toggle";
import { SeverityMark } from "../marks";
import { readRule, readRules, RULES_PATH, saveRule } from "./api";
import { RuleEditor } from "./rule-editor";
import { useSummary } from "./summary";

const route = getRouteApi("/alerts");

/** The rules, or the one that is edited. */
export function Rules({ edited }: { edited: string | undefined }) {
  if (edited === undefined) return <RuleList />;
  return edited === "new" ? <RuleEditor key="new" rule={undefined} /> : <Existing key={edited} id={edited} />;
}

function Existing({ id }: { id: string }) {
  // Read anew for every editing, and not under the hands of whoever edits.
  const rule = useQuery({
    queryKey: ["edit", RULES_PATH, id],
    queryFn: () => readRule(id),
    gcTime: 0,
    staleTime: Infinity,
    refetchOnWindowFocus: false,
  });
  return <Await asked={rule}>{(data) => <RuleEditor rule={data} />}</Await>;
}

function RuleList() {
  const t = useText(ruleTexts);
  const navigate = route.useNavigate();
  const [search, setSearch] = useState("");
  const rules = useQuery({ queryKey: ["get", RULES_PATH], queryFn: ({ signal }) => readRules(signal) });
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center justify-between gap-2">
        <SearchField value={search} onChange={setSearch} label={t("search")} />
        <ActionButton
          permission="alert_rules:write"
          tone="primary"
          icon={<Plus className="size-4" aria-hidden />}
          onClick={() => void navigate({ to: "/alerts", search: { tab: "rules", edit: "new" } })}
        >
          {t("add")}
        </ActionButton>
      </div>
      <Await asked={rules}>{(data) => <Rows rules={data} search={search} />}</Await>
    </div>
  );
}

function Rows({ rules, search }: { rules: readonly Rule[]; search: string }) {
  const t = useText(ruleTexts);
  const format = useFormat();
  const navigate = route.useNavigate();
  const summary = useSummary();
  const who = useCallback((rule: Rule): string => {
    if (rule.device_ids.length > 0) return t("devices", { count: rule.device_ids.length });
    return rule.groups.length > 0 ? t("groups", { names: rule.groups.join(", ") }) : t("allDevices");
  }, [t]);
  const columns = useMemo((): Column<Rule>[] => [
    {
      id: "on",
      header: t("isOn"),
      enableSorting: false,
      meta: { width: "4.5rem" },
      cell: ({ row: { original } }) => <Switch rule={original} />,
    },
    {
      id: "name",
      header: t("name"),
      accessorFn: (rule) => rule.name,
      meta: { width: "1.2" },
      cell: ({ row: { original } }) => (
        <span className={cx("truncate font-medium", !original.is_enabled && "text-ink-faint")}>{original.name}</span>
      ),
    },
    {
      id: "what",
      header: t("what"),
      accessorFn: summary,
      meta: { width: "2", from: 45 },
      cell: ({ row: { original } }) => <span className="truncate text-ink-soft">{summary(original)}</span>,
    },
    {
      id: "severity",
      header: t("severity"),
      accessorFn: (rule) => ["info", "warning", "critical"].indexOf(rule.severity),
      meta: { width: "7.5rem", from: 30 },
      cell: ({ row: { original } }) => <SeverityMark severity={original.severity} />,
    },
    {
      id: "who",
      header: t("who"),
      accessorFn: who,
      meta: { width: "1", from: 60 },
      cell: ({ row: { original } }) => <span className="truncate text-ink-soft">{who(original)}</span>,
    },
    {
      id: "changed",
      header: t("changed"),
      accessorFn: (rule) => rule.updated_at,
      meta: { width: "1.2", from: 75 },
      cell: ({ row: { original } }) => {
        const time = format.dateTime(Date.parse(original.updated_at));
        return (
          <span className="figures truncate text-ink-soft">
            {original.updated_by_name === null ? time : t("changedBy", { name: original.updated_by_name, time })}
          </span>
        );
      },
    },
  ], [t, format, summary, who]);
  return (
    <Panel isFlush>
      <Table
        rows={rules}
        columns={columns}
        rowId={(rule) => rule.id}
        label={t("title")}
        search={search}
        initialSort={[{ id: "name", desc: false }]}
        onOpen={(rule) => void navigate({ to: "/alerts", search: { tab: "rules", edit: rule.id } })}
        empty={rules.length === 0 ? <EmptyState title={t("none")}>{t("noneHint")}</EmptyState> : undefined}
        height="max(20rem, calc(100dvh - 22rem))"
      />
    </Panel>
  );
}

function Switch({ rule }: { rule: Rule }) {
  const t = useText(ruleTexts);
  const problemText = useProblemText();
  const [isBusy, setBusy] = useState(false);
  const { name } = rule;
  const change = (isOn: boolean): void => {
    setBusy(true);
    saveRule(bodyOf(rule, { is_enabled: isOn }), rule)
      .then(() => {
        notify("ok", t(isOn ? "switchedOn" : "switchedOff", { name }));
      })
      .catch((error: unknown) => {
        if (error instanceof ApiProblem && error.status === 412) {
          notify("warn", t("conflict", { name }));
          return queryClient.invalidateQueries({ queryKey: ["get", RULES_PATH] });
        }
        notify("bad", problemText(error));
        return undefined;
      })
      .finally(() => {
        setBusy(false);
      });
  };
  return (
    <Toggle
      isOn={rule.is_enabled}
      label={t(rule.is_enabled ? "switchOff" : "switchOn", { name })}
      permission="alert_rules:write"
      isBusy={isBusy}
      onChange={change}
    />
  );
}
