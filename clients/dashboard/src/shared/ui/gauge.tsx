import type { Freshness } from "@precisionpulse/live";
import { cx } from "./classes";
import type { Tone } from "./status";

const RADIUS = 42;
const CENTRE = 50;
/** Three quarters of a circle, open below. */
const SWEEP = 270;
const START = 135;

function place(degrees: number, radius: number): readonly [number, number] {
  const angle = (degrees * Math.PI) / 180;
  return [CENTRE + radius * Math.cos(angle), CENTRE + radius * Math.sin(angle)];
}

function arc(from: number, to: number, radius = RADIUS): string {
  const [x0, y0] = place(from, radius);
  const [x1, y1] = place(to, radius);
  const isLarge = to - from > 180 ? 1 : 0;
  return `M${x0.toFixed(2)} ${y0.toFixed(2)}A${String(radius)} ${String(radius)} 0 ${String(isLarge)} 1 ${x1.toFixed(2)} ${y1.toFixed(2)}`;
}

/** From this value on another tone holds. */
export interface GaugeMark {
  readonly at: number;
  readonly tone: Tone;
}

const STROKE: Record<Tone, string> = {
  ok: "stroke-ok",
  warn: "stroke-warn",
  bad: "stroke-bad",
  info: "stroke-accent",
  mute: "stroke-mute",
};

/** A value between two bounds, as part of a circle. The value itself stands in the middle, so that nobody has to guess. */
export function Gauge({ value, low, high, text, unit, label, marks = [], freshness = "fresh" }: {
  value: number | undefined;
  low: number;
  high: number;
  text: string;
  unit?: string | undefined;
  label: string;
  marks?: readonly GaugeMark[];
  freshness?: Freshness;
}) {
  const span = high - low || 1;
  const share = (at: number): number => Math.min(1, Math.max(0, (at - low) / span));
  const isShown = value !== undefined && freshness !== "offline";
  const tone = isShown ? ([...marks].sort((a, b) => b.at - a.at).find((mark) => value >= mark.at)?.tone ?? "info") : "mute";
  return (
    <div
      role="meter"
      aria-label={label}
      aria-valuemin={low}
      aria-valuemax={high}
      aria-valuenow={isShown ? Math.min(high, Math.max(low, value)) : low}
      aria-valuetext={`${text} ${unit ?? ""}`.trim()}
      data-freshness={freshness}
      className="relative mx-auto aspect-square h-full max-h-56 min-h-0 max-w-full"
    >
      <svg viewBox="0 0 100 92" aria-hidden className="size-full">
        <path d={arc(START, START + SWEEP)} fill="none" strokeWidth="7" strokeLinecap="round" className="stroke-mute-soft" />
        {isShown && share(value) > 0.004 && (
          <path
            d={arc(START, START + SWEEP * share(value))}
            fill="none"
            strokeWidth="7"
            strokeLinecap="round"
            className={cx("transition-[stroke]", STROKE[tone])}
          />
        )}
        {marks.map((mark) => {
          const at = START + SWEEP * share(mark.at);
          const [x0, y0] = place(at, 47.5);
          const [x1, y1] = place(at, 50);
          return <path key={mark.at} d={`M${String(x0)} ${String(y0)}L${String(x1)} ${String(y1)}`} strokeWidth="1.5" className={STROKE[mark.tone]} />;
        })}
      </svg>
      <div aria-hidden className="absolute inset-0 flex flex-col items-center justify-center pt-1">
        <span className="figures text-2xl font-semibold tracking-tight">{text}</span>
        {unit !== undefined && <span className="text-xs text-ink-faint">{unit}</span>}
      </div>
    </div>
  );
}
