import type { components } from "@/shared/api/generated/alerts";
import type { Tone } from "@/shared/ui/status";
import type { AlarmState, Severity } from "./filters";

export type Alarm = components["schemas"]["AlarmItem"];
export type Step = components["schemas"]["StepItem"];

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** The longest stretch that is drawn around an alarm: more says nothing about how it began. */
const LONGEST = 24 * HOUR;
const LEAST_AROUND = 10 * MINUTE;

const TONES: Record<Severity, Tone> = { critical: "bad", warning: "warn", info: "info" };
const STATE_TONES: Record<AlarmState, Tone> = { active: "bad", acknowledged: "info", cleared: "ok" };

export function severityTone(severity: Severity): Tone {
  return TONES[severity];
}

export function stateTone(state: AlarmState): Tone {
  return STATE_TONES[state];
}

const WEIGHT: Record<Severity, number> = { critical: 2, warning: 1, info: 0 };

/** What has to be looked at first: nobody cares for it yet, then the worst, then the newest. */
export function byUrgency(one: Alarm, other: Alarm): number {
  const open = Number(other.state === "active") - Number(one.state === "active");
  return open || WEIGHT[other.severity] - WEIGHT[one.severity] || Date.parse(other.raised_at) - Date.parse(one.raised_at);
}

/** Whether nobody is told of it now. */
export function isShelved(alarm: Pick<Alarm, "shelved_until">, now: number): boolean {
  return alarm.shelved_until !== null && Date.parse(alarm.shelved_until) > now;
}

/** The stretch of time to look at around an alarm: some time before it, all of it, some time after. */
export function around(alarm: Pick<Alarm, "raised_at" | "cleared_at">, now: number): { from: number; to: number } {
  const raised = Date.parse(alarm.raised_at);
  const cleared = alarm.cleared_at === null ? now : Date.parse(alarm.cleared_at);
  const margin = Math.min(Math.max(LEAST_AROUND, (cleared - raised) / 4), 2 * HOUR);
  const from = raised - margin;
  return { from, to: Math.max(Math.min(cleared + margin, now, from + LONGEST), from + MINUTE) };
}

/** For how long an alarm can be shelved by one press, in minutes. */
export const SHELVE_MINUTES = [15, 60, 4 * 60, 8 * 60, 24 * 60, 7 * 24 * 60] as const;
