import { X } from "lucide-react";
import { useEffect } from "react";
import { create } from "zustand";
import { useText } from "../i18n/messages";
import { cx } from "./classes";
import { StatusShape } from "./status";
import type { Tone } from "./status";
import { uiTexts } from "./texts";

interface Notice {
  readonly id: number;
  readonly tone: Tone;
  readonly text: string;
}

/** More than so many nobody reads; the oldest goes. */
const SHOWN = 4;
/** What went well may pass by; what went wrong stays until it is dismissed. */
const STAYS_MS = 6_000;

const useNotices = create<{ notices: readonly Notice[] }>(() => ({ notices: [] }));
let nextId = 1;

/** Say something in passing: what was done, or why not. */
export function notify(tone: Tone, text: string): void {
  const notice = { id: nextId++, tone, text };
  useNotices.setState(({ notices }) => ({ notices: [...notices, notice].slice(-SHOWN) }));
}

function remove(id: number): void {
  useNotices.setState((state) => ({ notices: state.notices.filter((notice) => notice.id !== id) }));
}

/** Where notices appear, and are read out. */
export function Toasts() {
  const t = useText(uiTexts);
  const notices = useNotices((state) => state.notices);
  return (
    <section
      aria-label={t("notifications")}
      className="no-print fixed right-4 bottom-4 z-50 flex w-[min(24rem,calc(100vw-2rem))] flex-col gap-2 empty:hidden"
    >
      <div aria-live="polite" className="contents">
        {notices.map((notice) => (
          <Toast key={notice.id} notice={notice} />
        ))}
      </div>
    </section>
  );
}

function Toast({ notice: { id, tone, text } }: { notice: Notice }) {
  const t = useText(uiTexts);
  useEffect(() => {
    if (tone === "bad") return;
    const timer = setTimeout(() => {
      remove(id);
    }, STAYS_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [id, tone]);
  return (
    <div
      role={tone === "bad" ? "alert" : undefined}
      className={cx(
        "flex items-center gap-3 rounded-lg border bg-raised px-4 py-3 text-sm shadow-high",
        tone === "bad" ? "border-bad" : "border-line",
      )}
    >
      <StatusShape tone={tone} />
      <p className="grow">{text}</p>
      <button
        type="button"
        aria-label={t("dismiss")}
        className="-mr-1 rounded-md p-1 text-ink-faint hover:text-ink"
        onClick={() => {
          remove(id);
        }}
      >
        <X className="size-4" aria-hidden />
      </button>
    </div>
  );
}
