import { X } from "lucide-react";
import { Toast as Radix } from "radix-ui";
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
const useNotices = create<{ notices: readonly Notice[] }>(() => ({ notices: [] }));
let nextId = 1;

/** Say something in passing: what was done, or why not. */
export function notify(tone: Tone, text: string): void {
  const notice = { id: nextId++, tone, text };
  useNotices.setState(({ notices }) => ({ notices: [...notices, notice].slice(-SHOWN) }));
}

export function Toasts() {
  const t = useText(uiTexts);
  const notices = useNotices((state) => state.notices);
  const remove = (id: number): void => {
    useNotices.setState((state) => ({ notices: state.notices.filter((notice) => notice.id !== id) }));
  };
  return (
    <Radix.Provider duration={6_000} label={t("notifications")}>
      {notices.map((notice) => (
        <Radix.Root
          key={notice.id}
          type={notice.tone === "bad" ? "foreground" : "background"}
          onOpenChange={(open) => {
            if (!open) remove(notice.id);
          }}
          className={cx(
            "flex items-center gap-3 rounded-lg border bg-raised px-4 py-3 text-sm shadow-high",
            notice.tone === "bad" ? "border-bad" : "border-line",
          )}
        >
          <StatusShape tone={notice.tone} />
          <Radix.Description className="grow">{notice.text}</Radix.Description>
          <Radix.Close aria-label={t("dismiss")} className="-mr-1 rounded-md p-1 text-ink-faint hover:text-ink">
            <X className="size-4" aria-hidden />
          </Radix.Close>
        </Radix.Root>
      ))}
      <Radix.Viewport className="fixed right-4 bottom-4 z-50 flex w-[min(24rem,calc(100vw-2rem))] flex-col gap-2 outline-none" />
    </Radix.Provider>
  );
}
