import type { ReactNode } from "react";
import { cx } from "./classes";

export type Tone = "ok" | "warn" | "bad" | "info" | "mute";

const TEXT: Record<Tone, string> = { ok: "text-ok", warn: "text-warn", bad: "text-bad", info: "text-info", mute: "text-mute" };
const GROUND: Record<Tone, string> = {
  ok: "bg-ok-soft",
  warn: "bg-warn-soft",
  bad: "bg-bad-soft",
  info: "bg-info-soft",
  mute: "bg-mute-soft",
};

/** Each tone has a shape of its own, so that no colour has to be seen: ● ▲ ⬢ ■ ○. */
export function StatusShape({ tone, className }: { tone: Tone; className?: string }) {
  return (
    <svg viewBox="0 0 12 12" aria-hidden className={cx("size-2.5 shrink-0", TEXT[tone], className)} fill="currentColor">
      {tone === "ok" && <circle cx="6" cy="6" r="5" />}
      {tone === "warn" && <path d="M6 0.6 11.8 11H0.2Z" />}
      {tone === "bad" && <path d="M3.5 0h5L12 3.5v5L8.5 12h-5L0 8.5v-5Z" />}
      {tone === "info" && <rect x="1" y="1" width="10" height="10" rx="1.5" />}
      {tone === "mute" && <circle cx="6" cy="6" r="4.2" fill="none" stroke="currentColor" strokeWidth="1.6" />}
    </svg>
  );
}

/** A state: shape and word, on a ground of its tone. */
export function Badge({ tone, children }: { tone: Tone; children: ReactNode }) {
  return (
    <span
      className={cx(
        "inline-flex h-6 items-center gap-1.5 rounded-full px-2.5 text-xs font-medium whitespace-nowrap",
        TEXT[tone],
        GROUND[tone],
      )}
    >
      <StatusShape tone={tone} />
      {children}
    </span>
  );
}

/** The same without the ground, for tables. */
export function Status({ tone, children }: { tone: Tone; children: ReactNode }) {
  return (
    <span className="inline-flex items-center gap-2 whitespace-nowrap">
      <StatusShape tone={tone} />
      <span className={TEXT[tone]}>{children}</span>
    </span>
  );
}
