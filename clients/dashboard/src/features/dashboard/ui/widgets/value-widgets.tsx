import { useMemo } from "react";
import { useSeries } from "@/shared/charts/use-series";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { useFreshness, useLatestWanted, useSample } from "@/shared/streams/hooks";
import { useNow } from "@/shared/time/ticker";
import { Gauge } from "@/shared/ui/gauge";
import { FreshnessNote, LiveValue, useReadingText } from "@/shared/ui/live-value";
import { Sparkline } from "@/shared/ui/sparkline";
import { StatusShape } from "@/shared/ui/status";
import type { Tone } from "@/shared/ui/status";
import type { WidgetOf } from "../../model/document";
import { dashboardTexts } from "../../texts";

const SPARK_MS = 5 * 60_000;
const TONES = { ok: "ok", info: "info", warning: "warn", critical: "bad" } as const;

/** One value, large, with the shape of its last minutes. */
export function ValueWidget({ widget }: { widget: WidgetOf<"value"> }) {
  const { device_id: deviceId, metric } = widget.source;
  useLatestWanted([deviceId], [metric]);
  return (
    <div className="flex h-full flex-col justify-between">
      <LiveValue deviceId={deviceId} metric={metric} {...(widget.unit == null ? {} : { unit: widget.unit })} isNoteBelow className="text-2xl font-semibold tracking-tight" />
      {widget.has_sparkline !== false && <Spark deviceId={deviceId} metric={metric} />}
    </div>
  );
}

function Spark({ deviceId, metric }: { deviceId: string; metric: string }) {
  const sources = useMemo(() => [{ deviceId, metric }], [deviceId, metric]);
  const [series] = useSeries(sources, SPARK_MS);
  useNow();
  return <Sparkline values={series?.values ?? []} />;
}

/** One value between two bounds. */
export function GaugeWidget({ widget, title }: { widget: WidgetOf<"gauge">; title: string }) {
  const format = useFormat();
  const { device_id: deviceId, metric } = widget.source;
  useLatestWanted([deviceId], [metric]);
  const sample = useSample(deviceId, metric);
  const freshness = useFreshness(sample, deviceId);
  const value = typeof sample?.value === "number" ? sample.value : undefined;
  const decimals = widget.decimals ?? undefined;
  const text = value === undefined || freshness === "offline" ? "—" : decimals === undefined ? format.reading(value, sample?.isFractional) : format.number(value, decimals);
  return (
    <div className="flex h-full min-h-0 flex-col items-center">
      <div className="min-h-0 w-full grow">
        <Gauge
          value={value}
          low={widget.low ?? 0}
          high={widget.high ?? 100}
          text={text}
          unit={widget.unit ?? undefined}
          label={title}
          marks={(widget.marks ?? []).map((mark) => ({ at: mark.at, tone: TONES[mark.level] }))}
          freshness={freshness}
        />
      </div>
      <FreshnessNote sample={sample} freshness={freshness} className="h-4 shrink-0" />
    </div>
  );
}

/** A boolean as a lamp with a word. */
export function IndicatorWidget({ widget }: { widget: WidgetOf<"indicator"> }) {
  const reading = useReadingText();
  const t = useText(dashboardTexts);
  const { device_id: deviceId, metric } = widget.source;
  useLatestWanted([deviceId], [metric]);
  const sample = useSample(deviceId, metric);
  const freshness = useFreshness(sample, deviceId);
  const isOn = sample?.value === true || sample?.value === 1;
  const isBad = widget.alarm_on !== null && widget.alarm_on !== undefined && widget.alarm_on === isOn;
  const tone: Tone = sample === undefined || freshness === "offline" ? "mute" : isBad ? "bad" : isOn ? "ok" : "mute";
  const custom = isOn ? widget.on_label : widget.off_label;
  const usual = custom === undefined || custom === "on" || custom === "off" ? undefined : custom;
  const text =
    sample === undefined || freshness === "offline"
      ? t("unknown")
      : typeof sample.value === "string"
        ? sample.value
        : (usual ?? reading(isOn));
  return (
    <div className="flex h-full flex-col justify-center">
      <span data-freshness={freshness} className="flex items-center gap-3 text-xl font-semibold">
        <StatusShape tone={tone} className="size-5" />
        {text}
      </span>
      <FreshnessNote sample={sample} freshness={freshness} className="min-h-4" />
    </div>
  );
}
