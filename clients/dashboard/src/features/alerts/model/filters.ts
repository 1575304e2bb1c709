import type { paths } from "@/shared/api/generated/alerts";

type Asked = NonNullable<paths["/api/alerts"]["get"]["parameters"]["query"]>;

export const SEVERITIES = ["critical", "warning", "info"] as const;
export const STATES = ["active", "acknowledged", "cleared"] as const;
export const TABS = ["active", "history", "rules", "channels"] as const;
export type Severity = (typeof SEVERITIES)[number];
export type AlarmState = (typeof STATES)[number];
export type Tab = (typeof TABS)[number];

/** What the address of the page says: what is listed, and what is open. */
export interface AlertFilters {
  readonly tab?: Exclude<Tab, "active">;
  readonly severity?: Severity;
  readonly state?: AlarmState;
  readonly device?: string;
  readonly rule?: string;
  readonly late?: "only" | "none";
  /** Local date and time as the browser's field gives it, `2026-11-21T08:30`. */
  readonly from?: string;
  readonly to?: string;
  /** An alarm whose details are open. */
  readonly open?: string;
  /** The rule or channel that is edited, or a new one. */
  readonly edit?: string;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

function text(value: unknown): string {
  // The router reads an id of digits as a number.
  return typeof value === "string" || typeof value === "number" ? String(value).trim() : "";
}

function oneOf<const Choice extends string>(choices: readonly Choice[], value: unknown): Choice | undefined {
  return choices.find((choice) => choice === value);
}

/** Take the filters out of an address; what makes no sense is left out. */
export function readFilters(search: Record<string, unknown>): AlertFilters {
  const tab = oneOf(["history", "rules", "channels"], search["tab"]);
  const severity = oneOf(SEVERITIES, search["severity"]);
  const state = oneOf(STATES, search["state"]);
  const late = oneOf(["only", "none"], search["late"]);
  const [device, rule, open, edit] = [text(search["device"]), text(search["rule"]), text(search["open"]), text(search["edit"])];
  const [from, to] = [text(search["from"]), text(search["to"])];
  return {
    ...(tab !== undefined && { tab }),
    ...(severity !== undefined && { severity }),
    ...(state !== undefined && { state }),
    ...(device !== "" && { device }),
    ...(UUID.test(rule) && { rule }),
    ...(late !== undefined && { late }),
    ...(Number.isFinite(Date.parse(from)) && { from }),
    ...(Number.isFinite(Date.parse(to)) && { to }),
    ...(UUID.test(open) && { open }),
    ...((UUID.test(edit) || edit === "new") && { edit }),
  };
}

/** The filters that choose alarms, without what is merely open. */
export function narrowing({ severity, state, device, rule, late, from, to }: AlertFilters): AlertFilters {
  return readFilters({ severity, state, device, rule, late, from, to });
}

/** The filters as the service wants them asked; the active ones are all that are not cleared. */
export function asked(filters: AlertFilters): Asked {
  const { severity, state, device, rule, late, from, to } = filters;
  const isActive = filters.tab === undefined;
  const states = state !== undefined ? [state] : isActive ? (["active", "acknowledged"] as const) : [];
  return {
    ...(states.length > 0 && { state: [...states] }),
    ...(severity !== undefined && { severity: [severity] }),
    ...(device !== undefined && { device_id: device }),
    ...(rule !== undefined && { rule_id: rule }),
    ...(late !== undefined && { is_late: late === "only" }),
    ...(from !== undefined && { from: new Date(from).toISOString() }),
    ...(to !== undefined && { to: new Date(to).toISOString() }),
  };
}
