import { useId, useState } from "react";
import { api, queryClient } from "@/shared/api/client";
import { ApiProblem } from "@/shared/api/problem";
import { useText } from "@/shared/i18n/messages";
import { ActionButton } from "@/shared/ui/button";
import { Confirm } from "@/shared/ui/confirm";
import { Dialog } from "@/shared/ui/dialog";
import { Checkbox, Field, Input, Select, TextArea } from "@/shared/ui/field";
import { useProblemText } from "@/shared/ui/states";
import { notify } from "@/shared/ui/toast";
import { PERIODS, zoneOf } from "../model/filters";
import type { ReportFilters } from "../model/filters";
import { draftOf, MOST_RECEIVERS, readDraft } from "../model/schedule-draft";
import type { Schedule, ScheduleDraft, ScheduleField } from "../model/schedule-draft";
import { reportTexts } from "../texts";
import { DevicePicks, useZones } from "./choice";
import type { ReportItem } from "./report-view";

const PATH = "/api/report-schedules";
const DAYS = 31;
const WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] as const;

/** A report that is sent by itself. A new one begins with what is looked at. */
export function ScheduleEditor({ schedule, kinds, filters, onClose }: {
  schedule: Schedule | undefined;
  kinds: readonly ReportItem[];
  filters: ReportFilters;
  onClose: () => void;
}) {
  const t = useText(reportTexts);
  const form = useId();
  const problemText = useProblemText();
  const [draft, setDraft] = useState<ScheduleDraft>(() =>
    schedule === undefined
      ? {
          ...draftOf(undefined, zoneOf(filters.tz)),
          ...(filters.kind !== undefined && { kind: filters.kind }),
          deviceIds: filters.devices ?? [],
          groups: filters.groups ?? [],
          metrics: (filters.metrics ?? []).join("\n"),
        }
      : draftOf(schedule, schedule.tz ?? "UTC"),
  );
  const zones = useZones(draft.tz);
  const [isTried, setTried] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [isRemoving, setRemoving] = useState(false);
  const [problem, setProblem] = useState<unknown>();

  const read = readDraft(draft);
  const faults = "faults" in read ? read.faults : {};
  const faultOf = (field: ScheduleField): string | undefined => {
    const fault = faults[field];
    if (!isTried || fault === undefined) return undefined;
    return fault === "tooManyReceivers" ? t("tooManyReceivers", { most: MOST_RECEIVERS }) : t(fault);
  };
  const change = (part: Partial<ScheduleDraft>): void => {
    setDraft((before) => ({ ...before, ...part }));
  };
  const run = (work: () => Promise<unknown>, done: string): void => {
    setBusy(true);
    setProblem(undefined);
    work()
      .then(() => {
        notify("ok", done);
        onClose();
      })
      .catch((error: unknown) => {
        setRemoving(false);
        if (error instanceof ApiProblem && error.status === 412) {
          notify("warn", t("stale"));
          onClose();
        } else setProblem(error);
      })
      .finally(() => {
        setBusy(false);
        void queryClient.invalidateQueries({ queryKey: ["get", PATH] });
      });
  };
  const submit = (): void => {
    setTried(true);
    if ("faults" in read) return;
    const { body } = read;
    if (schedule === undefined) {
      run(() => api.POST(PATH, { body }), t("saved", { name: body.name }));
      return;
    }
    const params = { path: { schedule_id: schedule.id }, header: { "If-Match": `"${String(schedule.version)}"` } };
    run(() => api.PUT("/api/report-schedules/{schedule_id}", { params, body }), t("saved", { name: body.name }));
  };
  const remove = (removed: Schedule): void => {
    const params = { path: { schedule_id: removed.id }, header: { "If-Match": `"${String(removed.version)}"` } };
    run(() => api.DELETE("/api/report-schedules/{schedule_id}", { params }), t("removed", { name: removed.name }));
  };
  const told = problem instanceof ApiProblem && problem.fields.length > 0
    ? problem.fields.map((field) => field.message).join(" ")
    : problem === undefined ? undefined : problemText(problem);
  return (
    <Dialog
      isOpen
      onClose={onClose}
      width="side"
      title={schedule?.name ?? t("newSchedule")}
      actions={
        <>
          {schedule !== undefined && (
            <ActionButton permission="reports:read" tone="danger" onClick={() => { setRemoving(true); }}>{t("remove")}</ActionButton>
          )}
          <ActionButton permission="reports:read" tone="primary" type="submit" form={form} isBusy={isBusy}>{t("save")}</ActionButton>
        </>
      }
    >
      <form
        id={form}
        noValidate
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        {told !== undefined && <p role="alert" className="rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">{told}</p>}
        <Field label={t("name")} error={faultOf("name")}>
          {(control) => <Input {...control} value={draft.name} maxLength={80} onChange={(event) => { change({ name: event.target.value }); }} />}
        </Field>
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label={t("kind")}>
            {(control) => (
              <Select {...control} value={draft.kind} onChange={(event) => { change({ kind: event.target.value as ScheduleDraft["kind"] }); }}>
                {kinds.map((one) => <option key={one.kind} value={one.kind} disabled={!one.may_read}>{t(one.kind)}</option>)}
              </Select>
            )}
          </Field>
          <Field label={t("attachedAs")}>
            {(control) => (
              <Select {...control} value={draft.attachedAs} onChange={(event) => { change({ attachedAs: event.target.value as "csv" | "html" }); }}>
                <option value="html">{t("page")}</option>
                <option value="csv">{t("csv")}</option>
              </Select>
            )}
          </Field>
        </div>
        {draft.kind === "metrics" && <OfMetrics draft={draft} onChange={change} />}
        <Rhythm draft={draft} onChange={change} faultOf={faultOf} zones={zones} />
        <Field label={t("receivers")} hint={t("receiversHint", { most: MOST_RECEIVERS })} error={faultOf("receivers")}>
          {(control) => (
            <TextArea
              {...control}
              value={draft.receivers}
              spellCheck={false}
              autoCapitalize="none"
              onChange={(event) => { change({ receivers: event.target.value }); }}
            />
          )}
        </Field>
        <p className="text-xs text-ink-faint">{t("ofWhatHint")}</p>
        <DevicePicks
          devices={draft.deviceIds}
          onDevices={(deviceIds) => { change({ deviceIds }); }}
          groups={draft.groups}
          onGroups={(groups) => { change({ groups }); }}
        />
        <Checkbox label={t("isActive")} checked={draft.isActive} onChange={(event) => { change({ isActive: event.target.checked }); }} />
      </form>
      {isRemoving && schedule !== undefined && (
        <Confirm
          title={t("removeTitle", { name: schedule.name })}
          action={t("remove")}
          permission="reports:read"
          isBusy={isBusy}
          onConfirm={() => { remove(schedule); }}
          onClose={() => { setRemoving(false); }}
        >
          {t("removeText")}
        </Confirm>
      )}
    </Dialog>
  );
}

interface Part {
  readonly draft: ScheduleDraft;
  readonly onChange: (part: Partial<ScheduleDraft>) => void;
}

function OfMetrics({ draft, onChange }: Part) {
  const t = useText(reportTexts);
  return (
    <>
      <Field label={t("period")}>
        {(control) => (
          <Select {...control} value={draft.period} onChange={(event) => { onChange({ period: event.target.value as ScheduleDraft["period"] }); }}>
            {PERIODS.map((one) => <option key={one} value={one}>{t(one)}</option>)}
          </Select>
        )}
      </Field>
      <Field label={t("metricNames")} hint={t("metricsHint")}>
        {(control) => <TextArea {...control} value={draft.metrics} spellCheck={false} onChange={(event) => { onChange({ metrics: event.target.value }); }} />}
      </Field>
    </>
  );
}

function Rhythm({ draft, onChange, faultOf, zones }: Part & {
  faultOf: (field: ScheduleField) => string | undefined;
  zones: readonly string[];
}) {
  const t = useText(reportTexts);
  return (
    <div className="grid gap-4 sm:grid-cols-2">
      <Field label={t("every")}>
        {(control) => (
          <Select {...control} value={draft.every} onChange={(event) => { onChange({ every: event.target.value as ScheduleDraft["every"] }); }}>
            <option value="day">{t("day")}</option>
            <option value="week">{t("week")}</option>
            <option value="month">{t("month")}</option>
          </Select>
        )}
      </Field>
      {draft.every === "week" && (
        <Field label={t("weekday")}>
          {(control) => (
            <Select {...control} value={draft.weekday} onChange={(event) => { onChange({ weekday: Number(event.target.value) }); }}>
              {WEEKDAYS.map((name, index) => <option key={name} value={index + 1}>{t(name)}</option>)}
            </Select>
          )}
        </Field>
      )}
      {draft.every === "month" && (
        <Field label={t("dayOfMonth")} hint={t("dayOfMonthHint")}>
          {(control) => (
            <Select {...control} value={draft.day} onChange={(event) => { onChange({ day: Number(event.target.value) }); }}>
              {Array.from({ length: DAYS }, (_, index) => <option key={index} value={index + 1}>{index + 1}</option>)}
            </Select>
          )}
        </Field>
      )}
      <Field label={t("at")} error={faultOf("at")}>
        {(control) => <Input {...control} type="time" value={draft.at} onChange={(event) => { onChange({ at: event.target.value }); }} />}
      </Field>
      <Field label={t("zone")} error={faultOf("tz")}>
        {(control) => (
          <Select {...control} value={draft.tz} onChange={(event) => { onChange({ tz: event.target.value }); }}>
            {zones.map((one) => <option key={one}>{one}</option>)}
          </Select>
        )}
      </Field>
    </div>
  );
}
