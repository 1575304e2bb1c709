import type { components } from "@/shared/api/generated/gateway";

type Schemas = components["schemas"];

export type DashboardAnswer = Schemas["DashboardAnswer"];
export type DashboardBody = Schemas["DashboardBody"];
export type DashboardItem = Schemas["DashboardItem"];
export type Widget = NonNullable<DashboardAnswer["widgets"]>[number];
export type WidgetKind = Widget["kind"];
export type WidgetOf<Kind extends WidgetKind> = Extract<Widget, { kind: Kind }>;
export type WidgetSource = Schemas["Source"];
export type Place = Schemas["Place"];
export type Breakpoint = "lg" | "md" | "sm" | "xs";
export type Layouts = Partial<Record<Breakpoint, Place[]>>;

/** A dashboard as it is shown; without an id it was never saved. */
export interface ShownDashboard {
  readonly id: string | undefined;
  readonly name: string;
  readonly version: number;
  readonly isDefault: boolean;
  readonly widgets: readonly Widget[];
  readonly layouts: Layouts;
}

export function shownOf(answer: DashboardAnswer): ShownDashboard {
  const { id, name, version, widgets = [], layouts = {} } = answer;
  return { id, name, version, isDefault: answer.is_default, widgets, layouts };
}

/** The device and metric pairs that a widget shows. */
export function sourcesOf(widget: Widget): readonly WidgetSource[] {
  switch (widget.kind) {
    case "chart":
      return widget.series;
    case "value":
    case "gauge":
    case "indicator":
      return [widget.source];
    case "table":
      return widget.sources ?? [];
    default:
      return [];
  }
}
