import type { components } from "@/shared/api/generated/gateway";
import { isZone } from "./filters";

export type Schedule = components["schemas"]["ScheduleAnswer"];
export type ScheduleBody = components["schemas"]["ScheduleBody"];

/** A schedule as it is typed: receivers and metrics have one a line. */
export interface ScheduleDraft {
  readonly name: string;
  readonly kind: ScheduleBody["kind"];
  readonly attachedAs: "csv" | "html";
  readonly every: "day" | "week" | "month";
  readonly at: string;
  readonly weekday: number;
  readonly day: number;
  readonly tz: string;
  readonly receivers: string;
  readonly deviceIds: readonly string[];
  readonly groups: readonly string[];
  readonly metrics: string;
  readonly period: "hour" | "day" | "week" | "month";
  readonly isActive: boolean;
}

export type ScheduleField = "name" | "receivers" | "at" | "tz";
export type ScheduleFault = "missing" | "noReceiver" | "badReceiver" | "tooManyReceivers" | "badTime" | "badZone";

const ADDRESS = /^[A-Za-z0-9._%+=-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,188}[A-Za-z0-9])?$/;
const TIME = /^([01][0-9]|2[0-3]):[0-5][0-9]$/;
export const MOST_RECEIVERS = 20;

/** The entries of a field that has several, by line, comma or space. */
export function entriesOf(text: string): string[] {
  return [...new Set(text.split(/[\s,;]+/).filter((one) => one !== ""))];
}

export function draftOf(schedule: ScheduleBody | undefined, zone: string): ScheduleDraft {
  return {
    name: schedule?.name ?? "",
    kind: schedule?.kind ?? "device-health",
    attachedAs: schedule?.attached_as ?? "html",
    every: schedule?.every ?? "week",
    at: schedule?.at ?? "07:00",
    weekday: schedule?.weekday ?? 1,
    day: schedule?.day ?? 1,
    tz: schedule?.tz ?? zone,
    receivers: (schedule?.receivers ?? []).join("\n"),
    deviceIds: schedule?.device_ids ?? [],
    groups: schedule?.groups ?? [],
    metrics: (schedule?.metrics ?? []).join("\n"),
    period: schedule?.period ?? "day",
    isActive: schedule?.is_active ?? true,
  };
}

/** Read what was typed: what the service wants, or what is wrong with each field. */
export function readDraft(draft: ScheduleDraft): { body: ScheduleBody } | { faults: Partial<Record<ScheduleField, ScheduleFault>> } {
  const faults: Partial<Record<ScheduleField, ScheduleFault>> = {};
  const receivers = entriesOf(draft.receivers);
  if (draft.name.trim() === "") faults.name = "missing";
  if (receivers.length === 0) faults.receivers = "noReceiver";
  else if (receivers.length > MOST_RECEIVERS) faults.receivers = "tooManyReceivers";
  else if (!receivers.every((one) => ADDRESS.test(one))) faults.receivers = "badReceiver";
  if (!TIME.test(draft.at)) faults.at = "badTime";
  if (!isZone(draft.tz)) faults.tz = "badZone";
  if (Object.keys(faults).length > 0) return { faults };
  const metrics = draft.kind === "metrics" ? entriesOf(draft.metrics) : [];
  return {
    body: {
      name: draft.name.trim(),
      kind: draft.kind,
      attached_as: draft.attachedAs,
      every: draft.every,
      at: draft.at,
      weekday: draft.weekday,
      day: draft.day,
      tz: draft.tz,
      receivers,
      device_ids: draft.deviceIds.length === 0 ? null : [...draft.deviceIds],
      groups: draft.groups.length === 0 ? null : [...draft.groups],
      metrics: metrics.length === 0 ? null : metrics,
      period: draft.period,
      is_active: draft.isActive,
    },
  };
}
