import { Link } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { query } from "@/shared/api/client";
import type { components } from "@/shared/api/generated/alerts";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { usePermission } from "@/shared/session/session";
import { useStateOf } from "@/shared/streams/hooks";
import { useRefetchOn } from "@/shared/streams/use-refetch-on";
import { useFromNow } from "@/shared/time/ticker";
import { Dialog } from "@/shared/ui/dialog";
import { useReadingText } from "@/shared/ui/live-value";
import { Facts } from "@/shared/ui/panel";
import { Await, Skeleton } from "@/shared/ui/states";
import { Status } from "@/shared/ui/status";
import type { Tone } from "@/shared/ui/status";
import { isShelved, severityTone } from "../model/alarm";
import type { Step } from "../model/alarm";
import { alertTexts } from "../texts";
import { AlarmActions } from "./alarm-actions";
import { Deliveries } from "./deliveries";
import { ExtraMarks, SeverityMark, StateMark } from "./marks";

type Detail = components["schemas"]["AlarmDetail"];
const PATH = "/api/alerts/{alarm_id}";
const AlarmChart = lazy(() => import("./alarm-chart").then((module) => ({ default: module.AlarmChart })));
const REASONS = {
  condition: "reason_condition",
  manual: "reason_manual",
  rule_changed: "reason_rule_changed",
  rule_disabled: "reason_rule_disabled",
  rule_deleted: "reason_rule_deleted",
  out_of_scope: "reason_out_of_scope",
  delayed: "reason_delayed",
  late_data_ended: "reason_late_data_ended",
} as const;

/** All of one alarm beside the list, as it goes on, and what can be done with it. */
export function AlarmDetail({ alarmId, onClose }: { alarmId: string; onClose: () => void }) {
  const t = useText(alertTexts);
  // What was told while nobody looked is not known here: it is read anew each time it is opened.
  const alarm = query.useQuery("get", PATH, { params: { path: { alarm_id: alarmId } } }, { staleTime: 0 });
  useRefetchOn("alerts", PATH);
  return (
    <Dialog isOpen onClose={onClose} width="side" title={alarm.data?.rule_name ?? t("title")}>
      <Await asked={alarm}>{(data) => <Body alarm={data} />}</Await>
    </Dialog>
  );
}

function Body({ alarm }: { alarm: Detail }) {
  const t = useText(alertTexts);
  const format = useFormat();
  const reading = useReadingText();
  const device = useStateOf("devices", alarm.device_id);
  const mayReadValues = usePermission("telemetry:read");
  const raised = Date.parse(alarm.raised_at);
  const lasts = useFromNow((now) => format.duration(Math.max(0, (alarm.cleared_at === null ? now : Date.parse(alarm.cleared_at)) - raised)));
  const isQuiet = useFromNow((now) => isShelved(alarm, now));
  const moment = (at: string): string => format.dateTime(Date.parse(at));
  const isNoticedLater = Date.parse(alarm.noticed_at) - raised > 60_000;
  return (
    <div className="flex flex-col gap-5">
      <div className="flex flex-col gap-2">
        <div className="flex flex-wrap items-center gap-x-4 gap-y-1.5">
          <SeverityMark severity={alarm.severity} />
          <StateMark state={alarm.state} />
          <ExtraMarks alarm={alarm} />
        </div>
        <p className="text-base font-medium break-words">{alarm.message}</p>
        {alarm.is_late && <p className="text-sm text-ink-soft">{t("lateHint")}</p>}
        {isQuiet && alarm.shelved_until !== null && (
          <p className="text-sm text-ink-soft">
            {t("shelvedUntil", { time: moment(alarm.shelved_until), name: alarm.shelved_by_name ?? t("somebody") })}
          </p>
        )}
      </div>
      <Facts
        facts={[
          [
            t("device"),
            <Link key="device" to="/devices/$deviceId" params={{ deviceId: alarm.device_id }} className="text-accent underline">
              {device?.name ?? alarm.device_id}
            </Link>,
          ],
          [
            t("rule"),
            <Link key="rule" to="/alerts" search={{ tab: "rules", edit: alarm.rule_id }} className="text-accent underline">
              {alarm.rule_name}
            </Link>,
          ],
          ...(alarm.metric === null ? [] : [[t("metric"), alarm.metric] as const]),
          ...(alarm.value === null ? [] : [[t("value"), reading(alarm.value)] as const]),
          [t("raisedAt"), moment(alarm.raised_at)],
          ...(isNoticedLater ? [[t("noticedAt"), moment(alarm.noticed_at)] as const] : []),
          ...(alarm.cleared_at === null ? [] : [[t("clearedAt"), moment(alarm.cleared_at)] as const]),
          ...(alarm.cleared_value === null ? [] : [[t("clearedValue"), reading(alarm.cleared_value)] as const]),
          ...(alarm.clear_reason === null ? [] : [[t("why"), <Reason key="why" reason={alarm.clear_reason} />] as const]),
          [t(alarm.cleared_at === null ? "lastsFor" : "lasted"), lasts],
        ]}
      />
      {alarm.metric !== null && mayReadValues && (
        <section>
          <h3 className="mb-2 text-sm font-semibold">{t("chart")}</h3>
          <Suspense fallback={<Skeleton className="h-44" />}>
            <AlarmChart alarm={alarm} metric={alarm.metric} />
          </Suspense>
        </section>
      )}
      <AlarmActions alarm={alarm} />
      <section>
        <h3 className="mb-2 text-sm font-semibold">{t("steps")}</h3>
        <ol className="flex flex-col gap-3 border-l border-line pl-4">
          {alarm.steps.map((step) => (
            <StepLine key={step.id} step={step} alarm={alarm} />
          ))}
        </ol>
      </section>
      <Deliveries alarmId={alarm.id} />
    </div>
  );
}

function Reason({ reason }: { reason: string }) {
  const t = useText(alertTexts);
  return <>{reason in REASONS ? t(REASONS[reason as keyof typeof REASONS]) : reason}</>;
}

function StepLine({ step, alarm }: { step: Step; alarm: Detail }) {
  const t = useText(alertTexts);
  const format = useFormat();
  const reading = useReadingText();
  const tones: Record<Step["kind"], Tone> = {
    raised: severityTone(alarm.severity), acknowledged: "info", commented: "mute", shelved: "mute", unshelved: "mute", cleared: "ok",
  };
  const until = step.shelved_until === null ? "" : format.dateTime(Date.parse(step.shelved_until));
  return (
    <li className="text-sm">
      <Status tone={tones[step.kind]}>{t(`step_${step.kind}`, { time: until })}</Status>
      <p className="figures text-xs text-ink-soft">
        {t("by", { name: step.actor?.username ?? t("service"), time: format.dateTime(Date.parse(step.at)) })}
        {step.value !== null && ` · ${reading(step.value)}`}
      </p>
      {step.kind === "cleared" && step.reason !== null && (
        <p className="text-xs text-ink-soft">
          <Reason reason={step.reason} />
        </p>
      )}
      {step.comment !== null && <p className="mt-1 rounded-md bg-sunken px-2.5 py-1.5 break-words whitespace-pre-wrap">{step.comment}</p>}
    </li>
  );
}
