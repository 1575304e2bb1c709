import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, ArrowUp } from "lucide-react";
import { useLayoutEffect, useMemo, useRef, useState } from "react";
import type { KeyboardEvent, ReactNode } from "react";
import { usePreferences } from "../preferences/preferences";
import { useText } from "../i18n/messages";
import { cx } from "./classes";
import { EmptyState } from "./states";
import { uiTexts } from "./texts";

type Sortable = string | number | boolean | null | undefined;

/** One column: what it is sorted and searched by, and how it looks. */
export interface Column<T> {
  /** Left out, it is the key. */
  readonly id?: string;
  /** Left out: a column without a heading, as for a button. */
  readonly header?: string;
  /** What a row has here, for sorting and search, and to be shown where there is no `cell`. */
  readonly accessorFn?: (row: T) => Sortable;
  /** The same as a field of the row. */
  readonly accessorKey?: keyof T & string;
  readonly cell?: (context: { readonly row: { readonly original: T } }) => ReactNode;
  readonly enableSorting?: boolean;
  readonly meta?: {
    /** Figures stand to the right, under one another. */
    readonly isNumber?: boolean;
    /** A fixed width (`8rem`), or a share of what is left (`2`). */
    readonly width?: string;
    /** Narrower than this (rem of the table's own width), the column is left out. */
    readonly from?: 30 | 45 | 60 | 75;
  };
}

/** By which column, and which way; empty: as the rows came. */
export type Sorting = readonly { readonly id: string; readonly desc: boolean }[];

function columnId<T>(column: Column<T>): string {
  return column.id ?? column.accessorKey ?? column.header ?? "";
}

function valueOf<T>(column: Column<T>, row: T): Sortable {
  if (column.accessorFn !== undefined) return column.accessorFn(row);
  return column.accessorKey === undefined ? undefined : (row[column.accessorKey] as Sortable);
}

function canSort<T>(column: Column<T>): boolean {
  return column.enableSorting !== false && (column.accessorFn !== undefined || column.accessorKey !== undefined);
}

const words = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/** Numbers by size, words as people sort them; what is not there comes last, whichever way. */
function compared(a: Sortable, b: Sortable, isDescending: boolean): number {
  const isMissing = (value: Sortable): boolean => value === null || value === undefined || value === "";
  if (isMissing(a) || isMissing(b)) return Number(isMissing(a)) - Number(isMissing(b));
  const order = typeof a === "string" && typeof b === "string" ? words.compare(a, b) : Number(a) - Number(b);
  return isDescending ? -order : order;
}

/** The rows that hold every searched word somewhere, in the order that is asked for. */
export function arranged<T>(rows: readonly T[], columns: readonly Column<T>[], search: string, sorting: Sorting): readonly T[] {
  const asked = search.toLowerCase().split(/\s+/).filter(Boolean);
  const found =
    asked.length === 0
      ? rows
      : rows.filter((row) => {
          const text = columns.map((column) => String(valueOf(column, row) ?? "")).join(" ").toLowerCase();
          return asked.every((word) => text.includes(word));
        });
  const [first] = sorting;
  const by = columns.find((column) => columnId(column) === first?.id);
  if (first === undefined || by === undefined) return found;
  return [...found].sort((a, b) => compared(valueOf(by, a), valueOf(by, b), first.desc));
}

const ROW_PX = { comfortable: 44, compact: 32 } as const;
const FROM: Record<number, string> = {
  30: "hidden @min-[30rem]:flex",
  45: "hidden @min-[45rem]:flex",
  60: "hidden @min-[60rem]:flex",
  75: "hidden @min-[75rem]:flex",
};

export interface TableProps<T> {
  readonly rows: readonly T[];
  readonly columns: readonly Column<T>[];
  readonly rowId: (row: T) => string;
  readonly label: string;
  /** What Enter, or a press on the row, does. */
  readonly onOpen?: (row: T) => void;
  /** Shown rows are those that hold this text somewhere. */
  readonly search?: string;
  readonly initialSort?: Sorting;
  /** Sorting by the server: given, the table does not sort itself. */
  readonly sort?: { readonly state: Sorting; readonly onChange: (state: Sorting) => void };
  readonly empty?: ReactNode;
  /** Height of the scrolling part; the default fills what is left of the window. */
  readonly height?: string;
  readonly footer?: ReactNode;
}

/**
 * Rows by the ten thousand: only those in view are drawn. Sorting by pressing a heading; arrows, Home and End move
 * between rows, Enter opens one.
 */
export function Table<T>({
  rows, columns, rowId, label, onOpen, search = "", initialSort = [], sort, empty, height = "max(20rem, calc(100dvh - 16rem))", footer,
}: TableProps<T>) {
  const t = useText(uiTexts);
  const density = usePreferences((state) => state.density);
  const [ownSort, setOwnSort] = useState<Sorting>(initialSort);
  const [active, setActive] = useState(0);
  const scroller = useRef<HTMLDivElement>(null);
  const sorting = sort?.state ?? ownSort;

  const shown = useMemo(
    () => arranged(rows, columns, search, sort === undefined ? ownSort : []),
    [rows, columns, search, ownSort, sort],
  );
  const sortBy = (id: string): void => {
    const [first] = sorting;
    const next: Sorting = first?.id !== id ? [{ id, desc: false }] : first.desc ? [] : [{ id, desc: true }];
    if (sort === undefined) setOwnSort(next);
    else sort.onChange(next);
  };
  const rowPx = ROW_PX[density];
  const virtual = useVirtualizer({ count: shown.length, getScrollElement: () => scroller.current, estimateSize: () => rowPx, overscan: 8 });
  useLayoutEffect(() => {
    virtual.measure();
  }, [virtual, rowPx]);

  // A row that goes, or a box in it that does, takes the focus along without a word: the next key belongs to the list.
  const held = useRef<string>(undefined);
  useLayoutEffect(() => {
    const id = held.current;
    if (id === undefined || document.activeElement !== document.body) return;
    const index = shown.findIndex((row) => rowId(row) === id);
    const next = index === -1 ? Math.min(active, shown.length - 1) : index;
    scroller.current?.querySelector<HTMLElement>(`[data-index="${String(next)}"]`)?.focus({ preventScroll: true });
  });

  const move = (event: KeyboardEvent, row: T, index: number): void => {
    if (event.target !== event.currentTarget) return;
    if (event.key === "Enter" && onOpen !== undefined) {
      // What opens takes the focus: the same press must not reach the button that it lands on, and close it again.
      event.preventDefault();
      onOpen(row);
    }
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -index, End: shown.length };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = Math.min(shown.length - 1, Math.max(0, index + step));
    setActive(next);
    virtual.scrollToIndex(next);
    requestAnimationFrame(() => {
      scroller.current?.querySelector<HTMLElement>(`[data-index="${String(next)}"]`)?.focus();
    });
  };

  const cellClass = (meta: Column<T>["meta"]): string =>
    cx(
      "min-w-0 items-center overflow-hidden px-3",
      meta?.from === undefined ? "flex" : FROM[meta.from],
      meta?.isNumber === true && "figures justify-end text-right",
    );
  const style = (meta: Column<T>["meta"]): { flex: string; minWidth: string } => {
    const width = meta?.width ?? "1";
    return /^[\d.]+$/.test(width) ? { flex: `${width} 1 0`, minWidth: "5rem" } : { flex: `0 0 ${width}`, minWidth: width };
  };

  return (
    <div className="@container min-w-0 text-sm">
      <div role="grid" aria-label={label} aria-rowcount={shown.length + 1} className="overflow-x-auto">
        <div role="rowgroup">
          <div role="row" aria-rowindex={1} className="flex h-row border-b border-line bg-sunken/60 text-xs font-medium text-ink-soft">
            {columns.map((column) => {
              const id = columnId(column);
              const [first] = sorting;
              const direction = first?.id !== id ? undefined : first.desc ? "desc" : "asc";
              return (
                <div
                  key={id}
                  role={column.header === undefined ? "gridcell" : "columnheader"}
                  aria-sort={direction === "asc" ? "ascending" : direction === "desc" ? "descending" : undefined}
                  className={cellClass(column.meta)}
                  style={style(column.meta)}
                >
                  {canSort(column) && column.header !== undefined ? (
                    <button type="button" onClick={() => { sortBy(id); }} className="inline-flex h-6 min-w-0 items-center gap-1 rounded-sm hover:text-ink">
                      <span className="truncate">{column.header}</span>
                      {direction === "asc" && <ArrowUp className="size-3.5" aria-label={t("sortAscending")} />}
                      {direction === "desc" && <ArrowDown className="size-3.5" aria-label={t("sortDescending")} />}
                    </button>
                  ) : (
                    <span className="truncate">{column.header}</span>
                  )}
                </div>
              );
            })}
          </div>
        </div>
        {shown.length === 0 ? (
          (empty ?? <EmptyState title={t("noRows")} />)
        ) : (
          <div ref={scroller} role="rowgroup" className="overflow-y-auto" style={{ maxHeight: height }} tabIndex={-1}>
            <div role="presentation" className="relative" style={{ height: shown.length * rowPx }}>
              {virtual.getVirtualItems().map((item) => {
                const row = shown[item.index];
                if (row === undefined) return null;
                // Key and place are those of the row that is drawn, never those of a list that was measured earlier: rows that
                // come and go quickly would else leave dead ones behind, which lie over others and open nothing.
                return (
                  <div
                    key={rowId(row)}
                    role="row"
                    aria-rowindex={item.index + 2}
                    data-index={item.index}
                    tabIndex={item.index === Math.min(active, shown.length - 1) ? 0 : -1}
                    onFocus={() => {
                      held.current = rowId(row);
                      setActive(item.index);
                    }}
                    onBlur={() => {
                      held.current = undefined;
                    }}
                    onKeyDown={(event) => {
                      move(event, row, item.index);
                    }}
                    onClick={() => onOpen?.(row)}
                    className={cx(
                      "absolute inset-x-0 flex border-b border-line/70 -outline-offset-2 hover:bg-sunken/60",
                      onOpen !== undefined && "cursor-pointer",
                    )}
                    style={{ height: rowPx, transform: `translateY(${String(item.index * rowPx)}px)` }}
                  >
                    {columns.map((column) => (
                      <div key={columnId(column)} role="gridcell" className={cellClass(column.meta)} style={style(column.meta)}>
                        {column.cell === undefined ? (
                          <span className="truncate">{valueOf(column, row)}</span>
                        ) : (
                          column.cell({ row: { original: row } })
                        )}
                      </div>
                    ))}
                  </div>
                );
              })}
            </div>
          </div>
        )}
      </div>
      <div className="figures flex items-center gap-3 border-t border-line px-3 py-2 text-xs text-ink-faint">
        <span className="grow">{t("rows", { count: shown.length })}</span>
        {footer}
      </div>
    </div>
  );
}
