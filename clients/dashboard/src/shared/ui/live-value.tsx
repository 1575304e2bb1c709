import type { Freshness, MetricValue, Sample } from "@precisionpulse/live";
import { useFormat } from "../i18n/format";
import { useText } from "../i18n/messages";
import { useFreshness, useSample } from "../streams/hooks";
import { live } from "../streams/live";
import { useFromNow } from "../time/ticker";
import { cx } from "./classes";
import { uiTexts } from "./texts";

/** How a reading is written: figures of one width, On and Off, or the text itself. */
export function useReadingText(): (value: MetricValue, isFractional?: boolean) => string {
  const format = useFormat();
  const t = useText(uiTexts);
  return (value, isFractional) =>
    (typeof value === "number" ? format.reading(value, isFractional) : typeof value === "boolean" ? t(value ? "on" : "off") : value);
}

/** What has to be said about a value beside itself; nothing while it is fresh. */
export function FreshnessNote({ sample, freshness, className }: {
  sample: Sample | undefined;
  freshness: Freshness;
  className?: string;
}) {
  const t = useText(uiTexts);
  const format = useFormat();
  const age = useFromNow(() => (sample === undefined ? "" : format.ago(sample.seenAt, live.serverNow())));
  const text =
    freshness === "fresh"
      ? ""
      : freshness === "ageing"
        ? t("ageing", { age })
        : freshness === "stale"
          ? t("stale", { age })
          : sample === undefined
            ? t("offline")
            : `${t("offline")}, ${t("lastKnown", { age })}`;
  return (
    <span data-freshness-note={freshness} className={cx("figures text-xs text-ink-faint", className)}>
      {text}
    </span>
  );
}

/**
 * The newest value of a metric, as trustworthy as it looks: fresh as it is, ageing without colour and with its age,
 * stale grey and said so, offline a dash. Somebody on the screen must want it (`useLatestWanted`).
 */
export function LiveValue({ deviceId, metric, unit, className, isNoteBelow = false }: {
  deviceId: string;
  metric: string;
  unit?: string;
  className?: string;
  isNoteBelow?: boolean;
}) {
  const t = useText(uiTexts);
  const reading = useReadingText();
  const sample = useSample(deviceId, metric);
  const freshness = useFreshness(sample, deviceId);
  return (
    <span className={cx("inline-flex min-w-0 max-w-full gap-x-2", isNoteBelow ? "flex-col" : "flex-wrap items-baseline")}>
      <span
        data-freshness={freshness}
        title={typeof sample?.value === "string" ? sample.value : undefined}
        className={cx("figures truncate transition-[filter,opacity]", className)}
      >
        {sample === undefined || freshness === "offline" ? t("notShown") : reading(sample.value, sample.isFractional)}
        {unit !== undefined && sample !== undefined && freshness !== "offline" && (
          <span className="ml-1 text-[0.6em] font-medium text-ink-faint">{unit}</span>
        )}
      </span>
      <FreshnessNote sample={sample} freshness={freshness} className={isNoteBelow ? "min-h-4" : ""} />
    </span>
  );
}
