import { X } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import { useRef } from "react";
import type { ReactNode } from "react";
import { useText } from "../i18n/messages";
import { IconButton } from "./button";
import { cx } from "./classes";
import { uiTexts } from "./texts";

export interface DialogProps {
  readonly isOpen: boolean;
  readonly onClose: () => void;
  readonly title: string;
  readonly description?: string;
  readonly children: ReactNode;
  /** The buttons, the main one last. */
  readonly actions?: ReactNode;
  readonly width?: "narrow" | "wide" | "side";
}

const WIDTHS = {
  narrow: "top-1/2 left-1/2 w-[min(28rem,calc(100vw-2rem))] -translate-1/2 rounded-xl",
  wide: "top-1/2 left-1/2 w-[min(52rem,calc(100vw-2rem))] -translate-1/2 rounded-xl",
  side: "inset-y-0 right-0 h-dvh w-[min(30rem,100vw)]",
};

/** Something to answer before going on; `side` slides in beside what it is about. */
export function Dialog({ isOpen, onClose, title, description, children, actions, width = "narrow" }: DialogProps) {
  const t = useText(uiTexts);
  const before = useRef<Element | null>(null);
  return (
    <Radix.Root
      open={isOpen}
      onOpenChange={(open) => {
        if (!open) onClose();
      }}
    >
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-40 bg-[oklch(0.15_0.02_250/0.5)]" />
        <Radix.Content
          {...(description === undefined ? { "aria-describedby": undefined } : {})}
          onOpenAutoFocus={() => {
            before.current = document.activeElement;
          }}
          onCloseAutoFocus={() => {
            // Nothing of the library's opened it: the focus goes back to where it was, not to the top of the page.
            if (before.current instanceof HTMLElement) before.current.focus();
          }}
          className={cx(
            "fixed z-50 flex max-h-dvh flex-col border border-line bg-surface text-ink shadow-high outline-none",
            WIDTHS[width],
          )}
        >
          <header className="flex items-start gap-4 border-b border-line px-5 py-4">
            <div className="min-w-0 grow">
              <Radix.Title className="text-lg font-semibold">{title}</Radix.Title>
              {description !== undefined && (
                <Radix.Description className="mt-0.5 text-sm text-ink-soft">{description}</Radix.Description>
              )}
            </div>
            <IconButton label={t("close")} icon={<X className="size-4" aria-hidden />} onClick={onClose} className="-mr-2" />
          </header>
          <div className="min-h-0 grow overflow-y-auto px-5 py-4">{children}</div>
          {actions !== undefined && (
            <footer className="flex flex-wrap justify-end gap-2 border-t border-line px-5 py-3">{actions}</footer>
          )}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
