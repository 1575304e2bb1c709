import type { components, paths } from "@/shared/api/generated/gateway";
import { namesOf } from "./filters";
import type { HistoryFilters, Stretch } from "./filters";
import { AUTOMATIC_POINTS } from "./lines";

type Asked = paths["/api/telemetry/history"]["get"]["parameters"]["query"];
type Schemas = components["schemas"];
/** Single readings a page. */
export const PAGE = 200;

/** How an export is written. */
export interface ExportForm {
  readonly format: Schemas["ExportFormat"];
  readonly layout: Schemas["Layout"];
  /** Semicolons and decimal commas, as a spreadsheet of a German system reads them. */
  readonly isContinental: boolean;
  /** Whether the intervals of the chart are exported instead of single readings. */
  readonly isAggregated: boolean;
}

/** The zone whose days count. */
export function zoneOf({ tz }: HistoryFilters): string {
  return tz ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
}

function what(filters: HistoryFilters, stretch: Stretch): { device_id: string[]; metric?: string[]; from: string; to: string; tz: string } {
  const metrics = namesOf(filters.metrics);
  return {
    device_id: [...namesOf(filters.devices)],
    ...(metrics.length > 0 && { metric: [...metrics] }),
    from: new Date(stretch.from).toISOString(),
    to: new Date(stretch.to).toISOString(),
    tz: zoneOf(filters),
  };
}

/** The question for a chart. */
export function askedSeries(filters: HistoryFilters, stretch: Stretch): Asked {
  const { interval, agg = "avg", fill = "null" } = filters;
  return {
    ...what(filters, stretch),
    ...(interval === undefined ? { max_points: AUTOMATIC_POINTS } : { interval, agg: [agg], fill }),
  };
}

/** The question for a page of single readings. */
export function askedRows(filters: HistoryFilters, stretch: Stretch): Asked {
  const { order = "desc", cursor } = filters;
  return { ...what(filters, stretch), order, limit: PAGE, ...(cursor !== undefined && { cursor }) };
}

function formFields(form: ExportForm): Pick<Schemas["ExportBody"], "format" | "layout" | "separator" | "decimal" | "bom"> {
  if (form.format === "ndjson") return { format: "ndjson" };
  const { layout, isContinental } = form;
  return { format: "csv", layout, bom: true, ...(isContinental && { separator: "semicolon", decimal: "comma" }) };
}

/** The question for an export in the background: always single readings. */
export function exportBody(filters: HistoryFilters, stretch: Stretch, form: ExportForm): Schemas["ExportBody"] {
  return { ...what(filters, stretch), ...formFields(form) };
}

/** The path of an export that is streamed at once. */
export function exportPath(filters: HistoryFilters, stretch: Stretch, form: ExportForm): string {
  const { interval, agg = "avg", fill = "null" } = filters;
  const slots = form.isAggregated && interval !== undefined ? { interval, agg, fill } : {};
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...what(filters, stretch), ...slots, ...formFields(form) })) {
    search.set(name, Array.isArray(value) ? value.join(",") : String(value));
  }
  return `/api/telemetry/export?${search.toString()}`;
}
