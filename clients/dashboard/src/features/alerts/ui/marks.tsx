import type { ReactNode } from "react";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { useFromNow } from "@/shared/time/ticker";
import { Badge, Status } from "@/shared/ui/status";
import { isShelved, severityTone, stateTone } from "../model/alarm";
import type { Alarm } from "../model/alarm";
import type { AlarmState, Severity } from "../model/filters";
import { alertTexts } from "../texts";

export function SeverityMark({ severity }: { severity: Severity }) {
  const t = useText(alertTexts);
  return <Status tone={severityTone(severity)}>{t(severity)}</Status>;
}

export function StateMark({ state }: { state: AlarmState }) {
  const t = useText(alertTexts);
  return <Status tone={stateTone(state)}>{t(state)}</Status>;
}

/** What else must be known of an alarm at first sight: that it is late, that nobody is told of it. */
export function ExtraMarks({ alarm, isShort = false }: {
  alarm: Pick<Alarm, "is_late" | "shelved_until" | "state">;
  /** In a list: a shelf matters there while the alarm stands. */
  isShort?: boolean;
}) {
  const t = useText(alertTexts);
  const isQuiet = useFromNow((now) => isShelved(alarm, now));
  // A narrow list has room for the shape alone; a reader is told the word all the same.
  const word = isShort ? "sr-only @min-[45rem]:not-sr-only" : undefined;
  const marks: ReactNode[] = [];
  if (alarm.is_late) marks.push(<Badge key="late" tone="mute"><span className={word}>{t("late")}</span></Badge>);
  if (isQuiet && !(isShort && alarm.state === "cleared")) marks.push(<Badge key="shelved" tone="info"><span className={word}>{t("shelved")}</span></Badge>);
  return marks.length === 0 ? null : <span className="inline-flex shrink-0 gap-1.5">{marks}</span>;
}

/** How long ago, with the moment itself under the pointer. */
export function Ago({ at }: { at: number }) {
  const format = useFormat();
  const text = useFromNow((now) => format.ago(Math.min(at, now), now));
  return (
    <time dateTime={new Date(at).toISOString()} title={format.dateTime(at)} className="truncate text-ink-soft">
      {text}
    </time>
  );
}
