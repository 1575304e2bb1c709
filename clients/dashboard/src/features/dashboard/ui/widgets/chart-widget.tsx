import { useMemo } from "react";
import { Chart } from "@/shared/charts/chart";
import type { Line } from "@/shared/charts/chart";
import { useSeries } from "@/shared/charts/use-series";
import { useText } from "@/shared/i18n/messages";
import type { WidgetOf } from "../../model/document";
import { dashboardTexts } from "../../texts";

/** Lines that slide. */
export function ChartWidget({ widget, title }: { widget: WidgetOf<"chart">; title: string }) {
  const t = useText(dashboardTexts);
  const { series: wanted } = widget;
  const sources = useMemo(() => wanted.map((one) => ({ deviceId: one.device_id, metric: one.metric })), [wanted]);
  const windowMs = (widget.window_seconds ?? 600) * 1000;
  const series = useSeries(sources, windowMs);
  const isOneMetric = new Set(wanted.map((one) => one.metric)).size === 1;
  const lines = useMemo(
    (): Line[] =>
      series.map((one, index) => {
        const source = wanted[index];
        const usual = isOneMetric ? source?.device_id : `${source?.device_id ?? ""} ${source?.metric ?? ""}`;
        return { name: source?.label ?? usual ?? "", series: one, color: source?.color ?? index };
      }),
    [series, wanted, isOneMetric],
  );
  if (wanted.length === 0) return <p className="text-sm text-ink-soft">{t("noSeries")}</p>;
  return (
    <Chart
      lines={lines}
      window={windowMs}
      label={title}
      style={widget.style === "step" ? "steps" : (widget.style ?? "line")}
      yMin={widget.y_min ?? undefined}
      yMax={widget.y_max ?? undefined}
      hasLegend={widget.has_legend === true && lines.length > 1}
    />
  );
}
