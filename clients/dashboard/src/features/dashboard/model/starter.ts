import type { Sample } from "@precisionpulse/live";
import type { Widget, WidgetSource } from "./document";

const CHARTS = 2;
const LINES = 6;
const GAUGES = 3;
const INDICATORS = 3;

function byMetric(samples: readonly Sample[], isWanted: (sample: Sample) => boolean): WidgetSource[][] {
  const found = new Map<string, WidgetSource[]>();
  for (const { deviceId, metric } of samples.filter(isWanted)) {
    found.set(metric, [...(found.get(metric) ?? []), { device_id: deviceId, metric }]);
  }
  return [...found.values()].sort((a, b) => b.length - a.length);
}

/** A round bound above what was seen: gauges need an end, and nobody has said one yet. */
function upperBound(value: number): number {
  if (value <= 0) return 100;
  if (value <= 100) return 100;
  const power = 10 ** Math.floor(Math.log10(value));
  return Math.ceil((value * 1.25) / power) * power;
}

/** The dashboard of somebody who made none yet: the figures, and what the devices happen to send. */
export function starterWidgets(samples: readonly Sample[]): Widget[] {
  const numbers = byMetric(samples, (sample) => typeof sample.value === "number");
  const switches = byMetric(samples, (sample) => typeof sample.value === "boolean").flat();
  const charts = numbers.slice(0, CHARTS).map((sources, index): Widget => ({
    id: `chart-${String(index)}`,
    kind: "chart",
    title: sources[0]?.metric ?? null,
    series: sources.slice(0, LINES).map((source, slot) => ({ ...source, label: source.device_id, color: slot, axis: "left" })),
    style: sources.length === 1 ? "area" : "line",
    window_seconds: 300,
    agg: "avg",
    has_legend: sources.length > 1,
    marks: [],
  }));
  const gauges = numbers
    .flatMap((sources) => sources.slice(0, 1))
    .slice(0, GAUGES)
    .map((source, index): Widget => {
      const value = samples.find((one) => one.deviceId === source.device_id && one.metric === source.metric)?.value;
      const high = upperBound(Number(value ?? 0));
      return { id: `gauge-${String(index)}`, kind: "gauge", title: `${source.metric}, ${source.device_id}`, source, low: 0, high, shape: "arc", marks: [] };
    });
  const indicators = switches.slice(0, INDICATORS).map((source, index): Widget => ({
    id: `indicator-${String(index)}`,
    kind: "indicator",
    title: `${source.metric}, ${source.device_id}`,
    source,
    on_label: "on",
    off_label: "off",
  }));
  return [
    { id: "figures", kind: "kpi", figures: ["active_devices", "buffered_records", "system_status", "last_sync"] },
    ...charts,
    ...gauges,
    ...indicators,
    { id: "alerts", kind: "alerts", choice: {}, severity: [], states: [], limit: 10 },
    { id: "devices", kind: "devices", choice: {}, limit: 12 },
  ];
}
