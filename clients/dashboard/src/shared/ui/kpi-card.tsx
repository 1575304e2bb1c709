import type { ReactNode } from "react";
import { cx } from "./classes";

/** One figure that matters, its name above, what explains it below. */
export function KpiCard({ label, value, note, icon, className, isStale = false }: {
  label: string;
  value: ReactNode;
  note?: ReactNode;
  icon?: ReactNode;
  className?: string;
  isStale?: boolean;
}) {
  return (
    <div
      className={cx(
        "@container flex h-full min-w-0 flex-col justify-between gap-1 rounded-lg border border-line bg-surface p-pad shadow-card",
        className,
      )}
    >
      <div className="flex items-center gap-2 text-sm text-ink-soft">
        <span className="grow truncate">{label}</span>
        <span aria-hidden className="text-ink-faint">
          {icon}
        </span>
      </div>
      <div data-freshness={isStale ? "stale" : "fresh"} className="figures truncate text-xl font-semibold @min-[10rem]:text-2xl tracking-tight">
        {value}
      </div>
      <div className="figures min-h-4 truncate text-xs text-ink-faint">{note}</div>
    </div>
  );
}
