import "./chart.css";
import type { Series, Span } from "@precisionpulse/live";
import { Radio } from "lucide-react";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import uPlot from "uplot";
import { useFormat } from "../i18n/format";
import { useText } from "../i18n/messages";
import { usePreferences } from "../preferences/preferences";
import { live } from "../streams/live";
import { Button } from "../ui/button";
import { uiTexts } from "../ui/texts";
import { inTurn, onFrame } from "./clock";
import { drawHatching } from "./hatch";
import { commonGaps, joined } from "./join";
import { usePaused } from "./paused";

/** One line of a chart. */
export interface Line {
  readonly name: string;
  readonly series: Series;
  /** A slot of the palette, 0 to 7. */
  readonly color?: number | undefined;
  readonly unit?: string | undefined;
}

export interface ChartProps {
  readonly lines: readonly Line[];
  /** How much time is seen: the newest so many milliseconds, or a stretch of the past. */
  readonly window: number | Span;
  readonly label: string;
  readonly style?: "line" | "area" | "points" | "steps" | "bars";
  readonly yMin?: number | undefined;
  readonly yMax?: number | undefined;
  readonly hasLegend?: boolean;
  /** Charts of one name share their cursor. */
  readonly sync?: string;
  /** Somebody dragged over a stretch of time. Without it the chart zooms by itself. */
  readonly onZoom?: (span: Span) => void;
}

const SYNC = "page";
const PALETTE = 8;
const DAY = 86_400_000;

function isMidnight(at: number): boolean {
  const time = new Date(at);
  return time.getHours() === 0 && time.getMinutes() === 0 && time.getSeconds() === 0;
}

function cssColor(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/**
 * Lines over time. Live, the window slides on a clock of its own; dragged over, it shows that stretch until "Back to
 * live". A line breaks where readings are missing, and where all are missing the ground is hatched. Data are read from
 * ring buffers at an animation frame: React does not take part.
 */
export function Chart({ lines, window: wanted, label, style = "line", yMin, yMax, hasLegend = false, sync = SYNC, onZoom }: ChartProps) {
  const t = useText(uiTexts);
  const format = useFormat();
  const theme = usePreferences((state) => state.theme);
  const [dark, setDark] = useState(document.documentElement.dataset["theme"]);
  const [zoomed, setZoomed] = useState<Span | undefined>();
  const isPaused = usePaused();
  const box = useRef<HTMLDivElement>(null);
  const isLive = zoomed === undefined && typeof wanted === "number";
  // What the drawing reads at a frame; it is built once and outlives many renders.
  const latest = useRef({ lines, shown: zoomed ?? wanted, isPaused, onZoom });
  useLayoutEffect(() => {
    latest.current = { lines, shown: zoomed ?? wanted, isPaused, onZoom };
  });

  useEffect(() => {
    const watch = new MutationObserver(() => {
      setDark(document.documentElement.dataset["theme"]);
    });
    watch.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    return () => {
      watch.disconnect();
    };
  }, []);

  const key = useMemo(
    () => lines.map((line, index) => `${line.name}:${String(line.color ?? index)}`).join("|"),
    [lines],
  );

  useEffect(() => {
    const host = box.current;
    if (host === null) return;
    const plotted = (): (() => void) => {
      const muted = cssColor("--mute");
      const grid = { stroke: cssColor("--line"), width: 1 };
      const font = `11px ${cssColor("--font-sans") || "Inter, sans-serif"}`;
      const lineSeries = (): Series[] => latest.current.lines.map((line) => line.series);
      let end = live.serverNow();
      const windowNow = (): Span => {
        const shown = latest.current.shown;
        if (typeof shown !== "number") return shown;
        if (!latest.current.isPaused) end = live.serverNow();
        return { from: end - shown, to: end };
      };
      const plot = new uPlot(
        {
          width: Math.max(host.clientWidth, 10),
          height: Math.max(host.clientHeight, 10),
          ms: 1,
          pxAlign: false,
          legend: { show: false },
          padding: [8, 8, 0, 0],
          cursor: {
            // The pointer is shared; what is dragged over concerns this chart alone.
            sync: { key: sync, setSeries: false, filters: { pub: (type) => type === "mousemove" || type === "mouseleave" } },
            drag: { x: true, y: false, setScale: false, dist: 6 },
            points: { size: 7 },
            y: false,
          },
          scales: {
            x: { time: true, auto: false, range: () => { const { from, to } = windowNow(); return [from, to]; } },
            y: {
              range: (_plot, low, high) => {
                const [from, to] = uPlot.rangeNum(Number.isFinite(low) ? low : 0, Number.isFinite(high) ? high : 1, 0.12, true);
                return [yMin ?? from ?? 0, yMax ?? to ?? 1];
              },
            },
          },
          axes: [
            { stroke: muted, grid: { show: false }, ticks: { show: false }, font, size: 26, gap: 4,
              values: (_plot, splits) => {
                const { from, to } = windowNow();
                // In more than a day, midnight says which one begins.
                return splits.map((at) => (to - from > DAY && isMidnight(at) ? format.date(at) : format.time(at)));
              }, space: 90 },
            { stroke: muted, grid, ticks: { show: false }, font, size: 48, gap: 6,
              values: (_plot, splits) => splits.map((value) => (Math.abs(value) >= 10_000 ? format.compact(value) : format.reading(value))) },
          ],
          series: [
            {},
            ...latest.current.lines.map((line, index) => {
              const color = cssColor(`--series-${String((line.color ?? index) % PALETTE)}`);
              const kind: uPlot.Series = {
                label: line.name,
                stroke: color,
                width: 1.75,
                // What one series has not at another's moment is undefined, and spanned; only the gaps below break a line.
                spanGaps: false,
                points: { show: style === "points", size: 4 },
                gaps: (chart) => {
                  const window = windowNow();
                  return (latest.current.lines[index]?.series.gaps(window) ?? []).map((span): [number, number] => [
                    chart.valToPos(span.from, "x", true),
                    chart.valToPos(span.to, "x", true),
                  ]);
                },
              };
              if (style === "area") kind.fill = `color-mix(in oklch, ${color} 14%, transparent)`;
              if (style === "points") kind.paths = () => null;
              if (style === "steps") {
                const stepped = uPlot.paths.stepped?.({ align: 1 });
                if (stepped !== undefined) kind.paths = stepped;
              }
              if (style === "bars") {
                const bars = uPlot.paths.bars?.({ size: [0.7, 40] });
                if (bars !== undefined) kind.paths = bars;
                kind.fill = color;
              }
              return kind;
            }),
          ],
          hooks: {
            drawClear: [
              (chart) => {
                const window = windowNow();
                drawHatching(chart, commonGaps(lineSeries().map((one) => one.gaps(window))), muted);
              },
            ],
            setSelect: [
              (chart) => {
                const { left, width } = chart.select;
                if (width < 6) return;
                const span = { from: chart.posToVal(left, "x"), to: chart.posToVal(left + width, "x") };
                chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
                if (latest.current.onZoom === undefined) setZoomed(span);
                else latest.current.onZoom(span);
              },
            ],
          },
        },
        joined(lineSeries()),
        host,
      );
      let drawnVersion = -1;
      let drawnEnd = 0;
      let drawnWidth = 0;
      const off = onFrame(() => {
        const { from, to } = windowNow();
        const version = lineSeries().reduce((sum, one) => sum + one.version, 0);
        const msPerPixel = (to - from) / Math.max(plot.bbox.width, 1);
        // A frame in which nothing moves by a pixel is not drawn.
        const isMoved = Math.abs(to - drawnEnd) >= msPerPixel || to - from !== drawnWidth;
        if (version === drawnVersion && !isMoved) return;
        // New points at the edge wait for the pixel that they become; late ones are drawn at once.
        if (!isMoved && to - from > 2_000 && to - drawnEnd < 100) return;
        drawnEnd = to;
        drawnWidth = to - from;
        if (version === drawnVersion) {
          plot.setScale("x", { min: from, max: to });
        } else {
          drawnVersion = version;
          plot.setData(joined(lineSeries()), true);
        }
      });
      const resized = new ResizeObserver(() => {
        plot.setSize({ width: Math.max(host.clientWidth, 10), height: Math.max(host.clientHeight, 10) });
      });
      resized.observe(host);
      return () => {
        off();
        resized.disconnect();
        plot.destroy();
      };
    };
    let end: (() => void) | undefined;
    const cancel = inTurn(() => {
      end = plotted();
    });
    return () => {
      cancel();
      end?.();
    };
  }, [key, style, yMin, yMax, sync, dark, theme, format]);

  const summary = lines
    .map((line) => {
      const last = line.series.last;
      const value = line.series.values[line.series.length - 1];
      return last === undefined || value === undefined
        ? line.name
        : t("chartSummary", { name: line.name, value: format.reading(value), time: format.time(last) });
    })
    .join("; ");

  return (
    <figure className="relative flex size-full min-h-0 min-w-0 flex-col" aria-label={label}>
      {hasLegend && lines.length > 0 && (
        <figcaption className="flex max-h-10 flex-wrap gap-x-4 gap-y-0.5 overflow-hidden pb-1 text-xs text-ink-soft">
          {lines.map((line, index) => (
            <span key={line.name} className="inline-flex min-w-0 items-center gap-1.5">
              <span
                aria-hidden
                className="h-0.5 w-3 rounded-full"
                style={{ background: `var(--series-${String((line.color ?? index) % PALETTE)})` }}
              />
              <span className="truncate">{line.name}</span>
            </span>
          ))}
        </figcaption>
      )}
      <div ref={box} role="img" aria-label={summary || t("chartEmpty")} className="min-h-0 min-w-0 grow overflow-hidden" />
      {!isLive && zoomed !== undefined && (
        <Button
          tone="primary"
          icon={<Radio className="size-4" aria-hidden />}
          className="absolute top-1 right-1 z-10"
          onClick={() => {
            setZoomed(undefined);
          }}
        >
          {t("backToLive")}
        </Button>
      )}
    </figure>
  );
}
