import { getCoreRowModel, getFilteredRowModel, getSortedRowModel, useReactTable } from "@tanstack/react-table";
import type { ColumnDef, Row, SortingState } from "@tanstack/react-table";
import { flexRender } from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, ArrowUp } from "lucide-react";
import { useRef, useState } from "react";
import type { KeyboardEvent, ReactNode } from "react";
import { usePreferences } from "../preferences/preferences";
import { useText } from "../i18n/messages";
import { cx } from "./classes";
import { EmptyState } from "./states";
import { uiTexts } from "./texts";

declare module "@tanstack/react-table" {
  // The type parameters are the library's; an interface can only be extended with all of them.
  // eslint-disable-next-line @typescript-eslint/no-unused-vars
  interface ColumnMeta<TData, TValue> {
    /** Figures stand to the right, under one another. */
    readonly isNumber?: boolean;
    /** A track of the grid: `8rem`, `minmax(10rem,2fr)`. */
    readonly width?: string;
    /** Narrower than this (rem of the table's own width), the column is left out. */
    readonly from?: 30 | 45 | 60 | 75;
  }
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
  // The library's way to say "columns of whatever type".
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly columns: readonly ColumnDef<T, any>[];
  readonly rowId: (row: T) => string;
  readonly label: string;
  /** What Enter, or a press on the row, does. */
  readonly onOpen?: (row: T) => void;
  /** Shown rows are those that hold this text somewhere. */
  readonly search?: string;
  readonly initialSort?: SortingState;
  /** Sorting by the server: given, the table does not sort itself. */
  readonly sort?: { readonly state: SortingState; readonly onChange: (state: SortingState) => void };
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
  const [ownSort, setOwnSort] = useState<SortingState>(initialSort);
  const [active, setActive] = useState(0);
  const scroller = useRef<HTMLDivElement>(null);
  const sorting = sort?.state ?? ownSort;

  const table = useReactTable({
    data: rows as T[],
    columns: columns as ColumnDef<T>[],
    state: { sorting, globalFilter: search },
    getRowId: rowId,
    manualSorting: sort !== undefined,
    onSortingChange: (update) => {
      const next = typeof update === "function" ? update(sorting) : update;
      if (sort === undefined) setOwnSort(next);
      else sort.onChange(next);
    },
    globalFilterFn: "includesString",
    getCoreRowModel: getCoreRowModel(),
    getSortedRowModel: getSortedRowModel(),
    getFilteredRowModel: getFilteredRowModel(),
  });
  const shown = table.getRowModel().rows;
  const virtual = useVirtualizer({
    count: shown.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX[density],
    overscan: 8,
    getItemKey: (index) => shown[index]?.id ?? index,
  });

  const move = (event: KeyboardEvent, row: Row<T>, index: number): void => {
    if (event.target !== event.currentTarget) return;
    if (event.key === "Enter" && onOpen !== undefined) onOpen(row.original);
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

  const tracks = table.getVisibleLeafColumns();
  const cellClass = (meta: ColumnDef<T>["meta"]): string =>
    cx(
      "min-w-0 items-center overflow-hidden px-3",
      meta?.from === undefined ? "flex" : FROM[meta.from],
      meta?.isNumber === true && "figures justify-end text-right",
    );
  const style = (meta: ColumnDef<T>["meta"]): { flex: string; minWidth: string } => {
    const width = meta?.width ?? "1";
    return /^[\d.]+$/.test(width) ? { flex: `${width} 1 0`, minWidth: "5rem" } : { flex: `0 0 ${width}`, minWidth: width };
  };

  return (
    <div role="grid" aria-label={label} aria-rowcount={shown.length + 1} className="@container min-w-0 text-sm">
      <div role="rowgroup">
        <div role="row" aria-rowindex={1} className="flex h-row border-b border-line bg-sunken/60 text-xs font-medium text-ink-soft">
          {tracks.map((column) => {
            const header = column.columnDef.header;
            const direction = column.getIsSorted();
            const title = typeof header === "string" ? header : "";
            return (
              <div
                key={column.id}
                role="columnheader"
                aria-sort={direction === "asc" ? "ascending" : direction === "desc" ? "descending" : "none"}
                className={cellClass(column.columnDef.meta)}
                style={style(column.columnDef.meta)}
              >
                {column.getCanSort() && title !== "" ? (
                  <button type="button" onClick={column.getToggleSortingHandler()} className="inline-flex h-6 min-w-0 items-center gap-1 rounded-sm hover:text-ink">
                    <span className="truncate">{title}</span>
                    {direction === "asc" && <ArrowUp className="size-3.5" aria-label={t("sortAscending")} />}
                    {direction === "desc" && <ArrowDown className="size-3.5" aria-label={t("sortDescending")} />}
                  </button>
                ) : (
                  <span className="truncate">{title}</span>
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
          <div role="presentation" className="relative" style={{ height: virtual.getTotalSize() }}>
            {virtual.getVirtualItems().map((item) => {
              const row = shown[item.index];
              if (row === undefined) return null;
              return (
                <div
                  key={item.key}
                  role="row"
                  aria-rowindex={item.index + 2}
                  data-index={item.index}
                  tabIndex={item.index === Math.min(active, shown.length - 1) ? 0 : -1}
                  onFocus={() => {
                    setActive(item.index);
                  }}
                  onKeyDown={(event) => {
                    move(event, row, item.index);
                  }}
                  onClick={() => onOpen?.(row.original)}
                  className={cx(
                    "absolute inset-x-0 flex border-b border-line/70 -outline-offset-2 hover:bg-sunken/60",
                    onOpen !== undefined && "cursor-pointer",
                  )}
                  style={{ height: item.size, transform: `translateY(${String(item.start)}px)` }}
                >
                  {row.getVisibleCells().map((cell) => (
                    <div
                      key={cell.id}
                      role="gridcell"
                      className={cellClass(cell.column.columnDef.meta)}
                      style={style(cell.column.columnDef.meta)}
                    >
                      {flexRender(cell.column.columnDef.cell, cell.getContext())}
                    </div>
                  ))}
                </div>
              );
            })}
          </div>
        </div>
      )}
      <div className="figures flex items-center gap-3 border-t border-line px-3 py-2 text-xs text-ink-faint">
        <span className="grow">{t("rows", { count: shown.length })}</span>
        {footer}
      </div>
    </div>
  );
}
