import type { ReactNode } from "react";
import { useText } from "@/shared/i18n/messages";
import { Panel } from "@/shared/ui/panel";
import type { Widget, WidgetKind } from "../model/document";
import { dashboardTexts } from "../texts";
import { ChartWidget } from "./widgets/chart-widget";
import { Kpi } from "./widgets/kpi";
import { AlertsWidget, CommandsWidget, DevicesWidget, TableWidget } from "./widgets/list-widgets";
import { GaugeWidget, IndicatorWidget, ValueWidget } from "./widgets/value-widgets";

export const KIND_TEXT = {
  kpi: "kindKpi",
  value: "kindValue",
  chart: "kindChart",
  gauge: "kindGauge",
  indicator: "kindIndicator",
  alerts: "kindAlerts",
  devices: "kindDevices",
  table: "kindTable",
  commands: "kindCommands",
  text: "kindText",
} as const satisfies Record<WidgetKind, keyof typeof dashboardTexts.en>;

const TEXT_SIZES = { small: "text-sm", normal: "text-base", large: "text-xl font-semibold" } as const;

/** What a widget is called: its title, else what it shows. */
export function useWidgetTitle(): (widget: Widget) => string {
  const t = useText(dashboardTexts);
  return (widget) => {
    if (widget.title != null && widget.title !== "") return widget.title;
    if ("source" in widget) return widget.source.label ?? `${widget.source.metric}, ${widget.source.device_id}`;
    return t(KIND_TEXT[widget.kind]);
  };
}

/** A widget in its frame; `handle` is what an editor puts at its head. */
export function WidgetCard({ widget, handle }: { widget: Widget; handle?: ReactNode }) {
  const title = useWidgetTitle()(widget);
  if (widget.kind === "kpi") {
    return (
      <div className="relative h-full">
        <Kpi widget={widget} />
        {handle !== undefined && <div className="absolute top-1 right-1 rounded-md bg-surface shadow-card">{handle}</div>}
      </div>
    );
  }
  const isList = ["alerts", "devices", "table", "commands"].includes(widget.kind);
  return (
    <Panel title={title} actions={handle} className="h-full overflow-hidden">
      {/* What scrolls must be reached with the keyboard, to be scrolled by it. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div className={isList ? "-m-2 h-[calc(100%+1rem)] overflow-y-auto p-2" : "h-full"} tabIndex={isList ? 0 : undefined} role={isList ? "group" : undefined} aria-label={isList ? title : undefined}>
        <Content widget={widget} title={title} />
      </div>
    </Panel>
  );
}

function Content({ widget, title }: { widget: Exclude<Widget, { kind: "kpi" }>; title: string }) {
  switch (widget.kind) {
    case "chart":
      return <ChartWidget widget={widget} title={title} />;
    case "value":
      return <ValueWidget widget={widget} />;
    case "gauge":
      return <GaugeWidget widget={widget} title={title} />;
    case "indicator":
      return <IndicatorWidget widget={widget} />;
    case "alerts":
      return <AlertsWidget widget={widget} />;
    case "devices":
      return <DevicesWidget widget={widget} />;
    case "table":
      return <TableWidget widget={widget} />;
    case "commands":
      return <CommandsWidget widget={widget} />;
    case "text":
      // Plain text: React writes it as such, and line breaks stay.
      return <p className={`${TEXT_SIZES[widget.size ?? "normal"]} whitespace-pre-wrap`}>{widget.text}</p>;
  }
}
