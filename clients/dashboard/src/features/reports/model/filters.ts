import type { components, paths } from "@/shared/api/generated/gateway";
import { dayStart, nextDay } from "./zoned";

export type Kind = components["schemas"]["ReportKind"];
export type Period = "hour" | "day" | "week" | "month";
type Asked = NonNullable<paths["/api/reports/{kind}"]["get"]["parameters"]["query"]>;

export const KINDS: readonly Kind[] = ["device-health", "offline-events", "config-changes", "metrics", "audit"];
export const PERIODS: readonly Period[] = ["hour", "day", "week", "month"];
/** The last so many days; otherwise the range has its own days. */
export const SPANS = [1, 7, 30, 90, 365] as const;
export const USUAL_SPAN = 7;
const DAY_MS = 86_400_000;
const DATE = /^\d{4}-\d{2}-\d{2}$/;

/** What the address of the page says: which report, of when, of what. */
export interface ReportFilters {
  readonly tab?: "schedules";
  readonly kind?: Kind;
  readonly days?: (typeof SPANS)[number];
  /** The first and the last day, both included, as `tz` has them. */
  readonly from?: string;
  readonly to?: string;
  readonly devices?: readonly string[];
  readonly groups?: readonly string[];
  readonly metrics?: readonly string[];
  readonly period?: Period;
  readonly tz?: string;
}

function list(value: unknown): string[] {
  // One value stands alone in an address, and the router reads one of digits as a number.
  const all: readonly unknown[] = Array.isArray(value) ? value : [value];
  return [...new Set(all.filter((one) => typeof one === "string" || typeof one === "number").map(String).filter((one) => one !== ""))];
}

function day(value: unknown): string | undefined {
  return typeof value === "string" && DATE.test(value) && Number.isFinite(Date.parse(value)) ? value : undefined;
}

export function isZone(zone: unknown): zone is string {
  if (typeof zone !== "string" || zone === "") return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

/** The zone whose days count: the chosen one, else the browser's. */
export function zoneOf(tz: string | undefined): string {
  return tz ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** Take the filters out of an address; what makes no sense is left out. */
export function readFilters(search: Record<string, unknown>): ReportFilters {
  const kind = KINDS.find((one) => one === search["kind"]);
  const days = SPANS.find((one) => one === Number(search["days"]));
  const [from, to] = [day(search["from"]), day(search["to"])];
  const [devices, groups, metrics] = [list(search["devices"]), list(search["groups"]), list(search["metrics"])];
  const period = PERIODS.find((one) => one === search["period"]);
  return {
    ...(search["tab"] === "schedules" && { tab: "schedules" as const }),
    ...(kind !== undefined && { kind }),
    ...(from !== undefined && to !== undefined && from <= to ? { from, to } : days !== undefined && { days }),
    ...(devices.length > 0 && { devices }),
    ...(groups.length > 0 && { groups }),
    ...(metrics.length > 0 && { metrics }),
    ...(period !== undefined && { period }),
    ...(isZone(search["tz"]) && { tz: search["tz"] }),
  };
}

/** The filters as the service wants them asked; `now` ends a span. */
export function asked(filters: ReportFilters, now: number): Asked {
  const zone = zoneOf(filters.tz);
  const { from, to, days = USUAL_SPAN, devices, groups, metrics, period } = filters;
  const range =
    from !== undefined && to !== undefined
      ? [dayStart(from, zone), dayStart(nextDay(to), zone)]
      : [now - days * DAY_MS, now];
  return {
    from: new Date(range[0] ?? now).toISOString(),
    to: new Date(range[1] ?? now).toISOString(),
    tz: zone,
    ...(devices !== undefined && { device_id: [...devices] }),
    ...(groups !== undefined && { group: [...groups] }),
    ...(filters.kind === "metrics" && { ...(metrics !== undefined && { metric: [...metrics] }), ...(period !== undefined && { period }) }),
  };
}

/** The same report in another form, over exactly the range of the one that is shown. */
export function pathOf(kind: Kind, question: Asked, format: "csv" | "html"): string {
  const search = new URLSearchParams({ format });
  for (const [name, value] of Object.entries(question)) {
    for (const one of Array.isArray(value) ? value : [value]) search.append(name, String(one));
  }
  return `/api/reports/${kind}?${search.toString()}`;
}
