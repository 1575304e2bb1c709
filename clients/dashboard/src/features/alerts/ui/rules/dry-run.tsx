import { FlaskConical } from "lucide-react";
import { useState } from "react";
import { query } from "@/shared/api/client";
import type { components } from "@/shared/api/generated/alerts";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { useStates } from "@/shared/streams/hooks";
import { live } from "@/shared/streams/live";
import { ActionButton } from "@/shared/ui/button";
import { useReadingText } from "@/shared/ui/live-value";
import { Panel } from "@/shared/ui/panel";
import { LoadingState } from "@/shared/ui/states";
import { Status } from "@/shared/ui/status";
import { severityTone } from "../../model/alarm";
import { wouldBe } from "../../model/dry-run";
import type { RuleBody } from "../../model/rule-draft";
import { ruleTexts } from "../../rule-texts";
import { ChoiceField } from "../form/fields";
import { Refusal } from "../form/editing";

type Answer = components["schemas"]["DryRunAnswer"];
const HOUR_MS = 3_600_000;
const SPANS = ["1", "24", "168", "720"] as const;
/** More lines than that nobody reads here. */
const SHOWN = 50;

/** Try the rule as it stands on stored readings: when it would have raised an alarm. `read` says what it is now, if it is one. */
export function DryRun({ read }: { read: () => RuleBody | undefined }) {
  const t = useText(ruleTexts);
  const [hours, setHours] = useState<(typeof SPANS)[number]>("24");
  const [tried, setTried] = useState<{ body: RuleBody; hours: number } | undefined>();
  const run = query.useMutation("post", "/api/alert-rules/dry-run");
  const span = (many: number): string => (many < 48 ? t("hours", { count: many }) : t("days", { count: many / 24 }));
  const start = (): void => {
    const body = read();
    if (body === undefined) return;
    const to = live.serverNow();
    setTried({ body, hours: Number(hours) });
    run.mutate({ body: { rule: body, from: new Date(to - Number(hours) * HOUR_MS).toISOString(), to: new Date(to).toISOString() } });
  };
  return (
    <Panel title={t("tryTitle")}>
      <div className="flex flex-col gap-4">
        <div className="flex items-end gap-2">
          <div className="min-w-0 grow">
            <ChoiceField label={t("span")} value={hours} choices={SPANS.map((one) => [one, span(Number(one))] as const)} onChange={setHours} />
          </div>
          <ActionButton permission="alert_rules:write" isBusy={run.isPending} icon={<FlaskConical className="size-4" aria-hidden />} onClick={start}>
            {t("try")}
          </ActionButton>
        </div>
        {tried === undefined && <p className="text-sm text-ink-soft">{t("tryHint")}</p>}
        {run.isPending && <LoadingState />}
        {run.error !== null && <Refusal error={run.error} />}
        {run.data !== undefined && tried !== undefined && (
          <Found answer={run.data} rule={tried.body} span={span(tried.hours)} />
        )}
      </div>
    </Panel>
  );
}

function Found({ answer, rule, span }: { answer: Answer; rule: RuleBody; span: string }) {
  const t = useText(ruleTexts);
  const format = useFormat();
  const reading = useReadingText();
  const devices = useStates("devices");
  const alarms = wouldBe(answer.items);
  const readings = answer.items.reduce((sum, item) => sum + item.readings, 0);
  const name = (id: string): string => devices.get(id)?.name ?? id;
  const partly = answer.items
    .filter((item) => !item.is_complete)
    .map((item) =>
      item.looked_until === null
        ? t("atAll", { name: name(item.device_id) })
        : t("until", { name: name(item.device_id), time: format.dateTime(Date.parse(item.looked_until)) }),
    );
  return (
    <div role="status" className="flex flex-col gap-3">
      <p className="font-medium">{alarms.length === 0 ? t("wouldNone", { span }) : t("would", { count: alarms.length, span })}</p>
      <p className="text-xs text-ink-soft">
        {answer.items.length === 0 ? t("noDevice") : t("looked", { count: answer.items.length, readings: format.number(readings) })}
      </p>
      {partly.length > 0 && <p className="rounded-md bg-warn-soft px-3 py-2 text-sm">{t("incomplete", { names: partly.join(", ") })}</p>}
      {alarms.length > 0 && (
        <ol className="flex max-h-96 flex-col divide-y divide-line overflow-y-auto rounded-md border border-line">
          {alarms.slice(0, SHOWN).map((alarm) => (
            <li key={`${alarm.deviceId} ${alarm.metric ?? ""} ${String(alarm.raisedAt)}`} className="flex flex-col gap-0.5 px-3 py-2 text-sm">
              <span className="flex flex-wrap items-baseline gap-x-3">
                <Status tone={severityTone(rule.severity ?? "warning")}>{name(alarm.deviceId)}</Status>
                <span className="figures text-ink-soft">{format.dateTime(alarm.raisedAt)}</span>
                <span className="figures text-ink-faint">
                  {alarm.clearedAt === undefined
                    ? t("stillThere")
                    : t("lasts", { time: format.duration(alarm.clearedAt - alarm.raisedAt) })}
                </span>
                {alarm.value !== null && <span className="figures">{reading(alarm.value)}</span>}
              </span>
              <span className="break-words text-ink-soft">{alarm.message}</span>
            </li>
          ))}
          {alarms.length > SHOWN && <li className="px-3 py-2 text-sm text-ink-soft">{t("moreFound", { count: alarms.length - SHOWN })}</li>}
        </ol>
      )}
    </div>
  );
}
