import { useEffect, useRef, useState } from "react";
import type { ReactNode } from "react";

const DELAY_MS = 300;
const DISTANCE_PX = 6;
const EDGE_PX = 8;

/**
 * A word about what is under the pointer or has the focus; Escape takes it away. Never the only place where something is
 * said: a reader that sees no tooltip has the label or description of the element itself.
 */
export function Tooltip({ text, children }: { text: ReactNode; children: ReactNode }) {
  const [isOpen, setOpen] = useState(false);
  const anchor = useRef<HTMLSpanElement>(null);
  const bubble = useRef<HTMLDivElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);

  const show = (delay: number): void => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      setOpen(true);
    }, delay);
  };
  const hide = (): void => {
    clearTimeout(timer.current);
    setOpen(false);
  };

  useEffect(() => {
    const target = anchor.current?.firstElementChild;
    const element = bubble.current;
    if (!isOpen || element === null || target === null || target === undefined) return;
    // The top layer: no clipping box and no stacking order can hide it.
    element.showPopover();
    const at = target.getBoundingClientRect();
    const own = element.getBoundingClientRect();
    const isAbove = at.bottom + DISTANCE_PX + own.height > window.innerHeight - EDGE_PX;
    const left = at.left + at.width / 2 - own.width / 2;
    element.style.left = `${String(Math.min(Math.max(EDGE_PX, left), window.innerWidth - own.width - EDGE_PX))}px`;
    element.style.top = `${String(isAbove ? at.top - DISTANCE_PX - own.height : at.bottom + DISTANCE_PX)}px`;
    const press = (event: KeyboardEvent): void => {
      if (event.key === "Escape") setOpen(false);
    };
    document.addEventListener("keydown", press);
    return () => {
      document.removeEventListener("keydown", press);
    };
  }, [isOpen]);

  useEffect(
    () => () => {
      clearTimeout(timer.current);
    },
    [],
  );

  return (
    <span
      ref={anchor}
      className="contents"
      onPointerEnter={(event) => {
        if (event.pointerType === "mouse") show(DELAY_MS);
      }}
      onPointerLeave={hide}
      onPointerDown={hide}
      onFocus={(event) => {
        if (event.target.matches(":focus-visible")) show(0);
      }}
      onBlur={hide}
    >
      {children}
      {isOpen && (
        <div
          ref={bubble}
          popover="manual"
          aria-hidden
          className="fixed inset-auto m-0 max-w-72 rounded-md bg-ink px-2.5 py-1.5 text-xs font-normal whitespace-normal text-ground shadow-high"
        >
          {text}
        </div>
      )}
    </span>
  );
}
