import type { paths } from "@/shared/api/generated/identity";

type Asked = NonNullable<paths["/api/audit"]["get"]["parameters"]["query"]>;

/** What the page's address says is looked for. */
export interface AuditFilters {
  readonly actor?: string;
  readonly action?: string;
  readonly resource?: string;
  readonly outcome?: "success" | "refused" | "failed";
  /** Local date and time as the browser's field gives it, `2026-11-21T08:30`. */
  readonly from?: string;
  readonly to?: string;
}

const OUTCOMES: readonly string[] = ["success", "refused", "failed"];

function text(value: unknown): string | undefined {
  return typeof value === "string" && value.trim() !== "" ? value.trim() : undefined;
}

function moment(value: unknown): string | undefined {
  const found = text(value);
  return found !== undefined && Number.isFinite(Date.parse(found)) ? found : undefined;
}

/** Take the filters out of an address; what is no filter, or makes no sense, is not one. */
export function readFilters(search: Record<string, unknown>): AuditFilters {
  const [actor, action, resource, outcome] = [text(search["actor"]), text(search["action"]), text(search["resource"]), text(search["outcome"])];
  const [from, to] = [moment(search["from"]), moment(search["to"])];
  return {
    ...(actor !== undefined && { actor }),
    ...(action !== undefined && { action }),
    ...(resource !== undefined && { resource }),
    ...(outcome !== undefined && OUTCOMES.includes(outcome) && { outcome: outcome as NonNullable<AuditFilters["outcome"]> }),
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
  };
}

/** The filters as the service wants them asked. */
export function asked({ from, to, ...rest }: AuditFilters): Asked {
  return {
    ...rest,
    ...(from !== undefined && { from: new Date(from).toISOString() }),
    ...(to !== undefined && { to: new Date(to).toISOString() }),
  };
}
