import { useLayoutEffect, useRef, useState } from "react";
import type { RefObject } from "react";
import { gridFor } from "../model/layout";
import type { Grid } from "../model/layout";

/** In units of the root font size, so that a wall's rows grow with its letters. */
const ROW_REM = 4;
const GAP_REM = 0.75;

export interface Measured {
  readonly grid: Grid;
  readonly width: number;
  readonly rowHeight: number;
  readonly gap: number;
}

function measure(width: number): Measured {
  const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
  // A wall has more pixels, not more columns: what counts is how many letters fit.
  return { grid: gridFor((width * 16) / rem), width, rowHeight: ROW_REM * rem, gap: GAP_REM * rem };
}

/** The grid that fits into an element, and its measures in pixels; undefined before the first look. */
export function useGrid(): { readonly ref: RefObject<HTMLDivElement | null>; readonly measured: Measured | undefined } {
  const ref = useRef<HTMLDivElement>(null);
  const [measured, setMeasured] = useState<Measured | undefined>();
  useLayoutEffect(() => {
    const element = ref.current;
    if (element === null) return;
    const look = (): void => {
      const next = measure(element.clientWidth);
      setMeasured((last) => (last !== undefined && last.width === next.width && last.rowHeight === next.rowHeight ? last : next));
    };
    look();
    const observer = new ResizeObserver(look);
    observer.observe(element);
    return () => {
      observer.disconnect();
    };
  }, []);
  return { ref, measured };
}
