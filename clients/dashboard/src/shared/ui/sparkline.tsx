import { cx } from "./classes";

const WIDTH = 100;
const HEIGHT = 28;

/** The shape of a series, without axes; what it means is said beside it. */
export function Sparkline({ values, className, color = "var(--series-0)" }: {
  values: ArrayLike<number>;
  className?: string;
  color?: string;
}) {
  if (values.length < 2) return <svg viewBox={`0 0 ${String(WIDTH)} ${String(HEIGHT)}`} aria-hidden className={cx("h-7 w-full", className)} />;
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i += 1) {
    low = Math.min(low, values[i] ?? low);
    high = Math.max(high, values[i] ?? high);
  }
  const scale = high === low ? 0 : (HEIGHT - 4) / (high - low);
  const points = Array.from({ length: values.length }, (_, i) => {
    const x = (i / (values.length - 1)) * WIDTH;
    const y = scale === 0 ? HEIGHT / 2 : HEIGHT - 2 - ((values[i] ?? low) - low) * scale;
    return `${x.toFixed(2)},${y.toFixed(2)}`;
  }).join(" ");
  return (
    <svg viewBox={`0 0 ${String(WIDTH)} ${String(HEIGHT)}`} preserveAspectRatio="none" aria-hidden className={cx("h-7 w-full", className)}>
      <polyline points={points} fill="none" stroke={color} strokeWidth="1.5" vectorEffect="non-scaling-stroke" strokeLinejoin="round" />
    </svg>
  );
}
