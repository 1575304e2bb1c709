import { getRouteApi } from "@tanstack/react-router";
import { ArrowLeft, Save, Trash2 } from "lucide-react";
import { useId, useMemo, useState } from "react";
import { ApiProblem } from "@/shared/api/problem";
import { useText } from "@/shared/i18n/messages";
import { useLatestWanted, useStates } from "@/shared/streams/hooks";
import { ActionButton, Button } from "@/shared/ui/button";
import { Confirm } from "@/shared/ui/confirm";
import { Checkbox, Field, TextArea } from "@/shared/ui/field";
import { Panel } from "@/shared/ui/panel";
import { notify } from "@/shared/ui/toast";
import { SEVERITIES } from "../../model/filters";
import { draftOf, newDraft, readDraft } from "../../model/rule-draft";
import type { Rule, RuleBody, RuleDraft } from "../../model/rule-draft";
import { ruleTexts } from "../../rule-texts";
import { alertTexts, formTexts } from "../../texts";
import { Conflict, Refusal, useLeaveGuard } from "../form/editing";
import { Beside, ChoiceField, ClockFields, DaysField, ownZone, Part, TextField, ZoneField } from "../form/fields";
import { deleteRule, readRule, saveRule } from "./api";
import { ConditionFields } from "./condition-fields";
import { DryRun } from "./dry-run";
import type { EditProps } from "./edit-props";
import { MessageField } from "./message-field";
import { Preview } from "./preview";
import { TargetFields } from "./target-fields";
import { knownMetrics, watchedDevices } from "./watched";

const route = getRouteApi("/alerts");
/** The devices whose metrics are offered; more say nothing new. */
const ASKED_DEVICES = 20;

/** A rule being written: the form, what an alarm of it would say, and what it would have done. */
export function RuleEditor({ rule }: { rule: Rule | undefined }) {
  const t = useText(ruleTexts);
  const form = useText(formTexts);
  const formId = useId();
  const navigate = route.useNavigate();
  const [seen, setSeen] = useState(rule);
  const [start, setStart] = useState<RuleDraft>(() => (rule === undefined ? newDraft(ownZone()) : draftOf(rule, ownZone())));
  const [draft, setDraft] = useState(start);
  const [isTried, setTried] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>();
  const [theirs, setTheirs] = useState<Rule | undefined>();
  const [isDeleting, setDeleting] = useState(false);
  const isDirty = useMemo(() => JSON.stringify(draft) !== JSON.stringify(start), [draft, start]);
  const guard = useLeaveGuard(isDirty);
  const read = readDraft(draft);
  const faults = "faults" in read ? read.faults : {};

  const props: EditProps = {
    draft,
    change: (part) => {
      setDraft((before) => ({ ...before, ...part }));
    },
    fault: (field) => {
      const fault = isTried ? faults[field] : undefined;
      return fault === undefined ? undefined : form(fault);
    },
  };
  const leave = (): void => {
    guard.release();
    void navigate({ to: "/alerts", search: { tab: "rules" } });
  };
  const fail = async (error: unknown): Promise<void> => {
    setProblem(error);
    if (!(error instanceof ApiProblem) || error.status !== 412 || seen === undefined) return;
    // Gone altogether: then the first reason is replaced by that one.
    await readRule(seen.id).then(
      (current) => {
        setTheirs(current);
        setProblem(undefined);
      },
      (gone: unknown) => {
        setProblem(gone);
      },
    );
  };
  const attempt = (work: Promise<unknown>, said: string): void => {
    setBusy(true);
    setProblem(undefined);
    work
      .then(() => {
        notify("ok", said);
        leave();
      })
      .catch(fail)
      .finally(() => {
        setBusy(false);
        setDeleting(false);
      });
  };
  const save = (upon: Rule | undefined): void => {
    setTried(true);
    if (!("body" in read)) return;
    setTheirs(undefined);
    attempt(saveRule(read.body, upon), t("saved", { name: read.body.name }));
  };
  const take = (current: Rule): void => {
    const next = draftOf(current, ownZone());
    setSeen(current);
    setStart(next);
    setDraft(next);
    setTheirs(undefined);
    setTried(false);
  };
  const bodyNow = (): RuleBody | undefined => {
    setTried(true);
    return "body" in read ? read.body : undefined;
  };
  const faultCount = isTried ? Object.keys(faults).length : 0;

  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center gap-2">
        <Button tone="quiet" icon={<ArrowLeft className="size-4" aria-hidden />} onClick={() => void navigate({ to: "/alerts", search: { tab: "rules" } })}>
          {form("back")}
        </Button>
        <h2 className="order-last min-w-0 grow basis-full truncate text-lg font-semibold sm:order-none sm:basis-0">{seen?.name ?? t("newTitle")}</h2>
        {seen !== undefined && (
          <ActionButton permission="alert_rules:write" tone="danger" icon={<Trash2 className="size-4" aria-hidden />} onClick={() => { setDeleting(true); }}>
            {form("delete")}
          </ActionButton>
        )}
        <ActionButton
          permission="alert_rules:write"
          tone="primary"
          type="submit"
          form={formId}
          isBusy={isBusy}
          icon={<Save className="size-4" aria-hidden />}
        >
          {form("save")}
        </ActionButton>
      </div>
      {theirs !== undefined && <Conflict theirs={theirs} onTake={() => { take(theirs); }} onKeep={() => { setSeen(theirs); save(theirs); }} />}
      {problem !== undefined && <Refusal error={problem} />}
      {faultCount > 0 && (
        <p role="alert" className="rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">
          {form("checkFields", { count: faultCount })}
        </p>
      )}
      <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
        <Panel>
          <form
            id={formId}
            noValidate
            className="flex flex-col gap-6"
            onSubmit={(event) => {
              event.preventDefault();
              save(seen);
            }}
          >
            <General {...props} />
            <Watched {...props} />
            <TargetFields {...props} />
            <ConditionFields {...props} />
            <Times {...props} />
            <MessageField {...props} />
            {seen !== undefined && <p className="text-xs text-ink-faint">{t("changeHint")}</p>}
          </form>
        </Panel>
        <div className="flex flex-col gap-4 xl:sticky xl:top-18">
          <Preview draft={draft} />
          <DryRun read={bodyNow} />
        </div>
      </div>
      {guard.question}
      {isDeleting && seen !== undefined && (
        <Confirm
          title={t("deleteTitle", { name: seen.name })}
          action={form("delete")}
          permission="alert_rules:write"
          isBusy={isBusy}
          onConfirm={() => { attempt(deleteRule(seen), t("deleted", { name: seen.name })); }}
          onClose={() => { setDeleting(false); }}
        >
          {t("deleteHint")}
        </Confirm>
      )}
    </div>
  );
}

function General({ draft, change, fault }: EditProps) {
  const t = useText(ruleTexts);
  const form = useText(formTexts);
  const say = useText(alertTexts);
  return (
    <Part title={t("general")}>
      <Beside>
        <TextField label={form("name")} error={fault("name")} value={draft.name} onChange={(name) => { change({ name }); }} />
        <ChoiceField
          label={t("severity")}
          value={draft.severity}
          choices={SEVERITIES.map((severity) => [severity, say(severity)] as const)}
          onChange={(severity) => { change({ severity }); }}
        />
      </Beside>
      <Field label={t("description")}>
        {(control) => (
          <TextArea
            {...control}
            rows={2}
            className="min-h-0"
            maxLength={1_000}
            value={draft.description}
            onChange={(event) => { change({ description: event.target.value }); }}
          />
        )}
      </Field>
      <Checkbox label={t("enabled")} checked={draft.isEnabled} onChange={(event) => { change({ isEnabled: event.target.checked }); }} />
    </Part>
  );
}

function Watched({ draft, change, fault }: EditProps) {
  const t = useText(ruleTexts);
  const listId = useId();
  const devices = useStates("devices");
  const [known, setKnown] = useState<readonly string[]>([]);
  const asked = useMemo(() => watchedDevices(draft, devices).slice(0, ASKED_DEVICES), [draft, devices]);
  useLatestWanted(asked);
  return (
    <Part title={t("watches")}>
      <Beside>
        <TextField
          label={t("metric")}
          hint={t(draft.kind === "no_data" ? "metricNoData" : "metricHint")}
          error={fault("metric")}
          value={draft.metric}
          list={listId}
          onFocus={() => { setKnown(knownMetrics(asked)); }}
          onChange={(metric) => { change({ metric }); }}
        />
        <TextField label={t("unit")} error={fault("unit")} value={draft.unit} onChange={(unit) => { change({ unit }); }} />
      </Beside>
      <datalist id={listId}>
        {known.map((metric) => (
          <option key={metric} value={metric} />
        ))}
      </datalist>
    </Part>
  );
}

function Times({ draft, change, fault }: EditProps) {
  const t = useText(ruleTexts);
  const form = useText(formTexts);
  return (
    <Part title={t("when")}>
      <div>
        <Checkbox label={t("scheduled")} checked={draft.hasSchedule} onChange={(event) => { change({ hasSchedule: event.target.checked }); }} />
        <p className="text-xs text-ink-faint">{t("scheduleHint")}</p>
      </div>
      {draft.hasSchedule && (
        <>
          <DaysField label={form("days")} error={fault("days")} value={draft.days} onChange={(days) => { change({ days }); }} />
          <ClockFields
            start={draft.start}
            end={draft.end}
            startError={fault("start")}
            endError={fault("end")}
            onStart={(next) => { change({ start: next }); }}
            onEnd={(next) => { change({ end: next }); }}
          />
          <ZoneField value={draft.timeZone} error={fault("timeZone")} onChange={(timeZone) => { change({ timeZone }); }} />
        </>
      )}
    </Part>
  );
}
