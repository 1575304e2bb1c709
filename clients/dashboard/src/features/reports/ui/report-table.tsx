import { useMemo, useState } from "react";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { usePreferences } from "@/shared/preferences/preferences";
import { Dialog } from "@/shared/ui/dialog";
import { Facts, Panel } from "@/shared/ui/panel";
import { SearchField } from "@/shared/ui/search-field";
import { EmptyState } from "@/shared/ui/states";
import { Table } from "@/shared/ui/table";
import type { Column } from "@/shared/ui/table";
import { wordKey } from "../model/words";
import { zonedFormat } from "../model/zoned";
import { reportTexts, reportWords } from "../texts";
import type { Report } from "./report-view";

type Cell = Report["rows"][number][string];
type ColumnKind = Report["columns"][number]["kind"];
interface Row {
  readonly id: number;
  readonly cells: Report["rows"][number];
}

const WIDTHS: Record<ColumnKind, number> = { text: 11, number: 7.5, time: 12, seconds: 8, milliseconds: 8, percent: 8 };
const DIGITS = 2;
const MS = 1_000;

/** What the service says in English, in the person's language where it is known. */
export function useWord(): (context: string, said: string) => string {
  const t = useText(reportWords);
  return (context, said) => {
    const key = wordKey(context, said);
    return key in reportWords.en ? t(key as keyof typeof reportWords.en) : said;
  };
}

/** A cell as its column wants it shown; moments by the clocks of the report's zone. */
function useCellText(zone: string): (cell: Cell | undefined, kind: ColumnKind) => string {
  const t = useText(reportTexts);
  const format = useFormat();
  const language = usePreferences((state) => state.language);
  const zoned = useMemo(() => zonedFormat(language === "en" ? "en-GB" : "de-DE", zone), [language, zone]);
  return (cell, kind) => {
    if (cell === null || cell === undefined || cell === "") return "–";
    if (typeof cell === "boolean") return t(cell ? "yes" : "no");
    if (kind === "time") return zoned.format(Date.parse(String(cell)));
    if (typeof cell === "string") return cell;
    switch (kind) {
      case "percent":
        // Never rounded up to a whole that it is not.
        return `${format.number(Math.trunc(cell * 10 ** DIGITS) / 10 ** DIGITS, DIGITS)} %`;
      case "seconds":
        return format.duration(cell * MS);
      case "milliseconds":
        return `${format.reading(cell)} ms`;
      default:
        return format.reading(cell);
    }
  };
}

/** A report: its figures, then its rows, then what one should know to read it rightly. */
export function ReportTable({ report }: { report: Report }) {
  const t = useText(reportTexts);
  const word = useWord();
  const text = useCellText(report.time_zone);
  const [search, setSearch] = useState("");
  const [opened, setOpened] = useState<Row | undefined>();
  const rows = useMemo(() => report.rows.map((cells, id): Row => ({ id, cells })), [report]);
  const label = (column: Report["columns"][number]): string => word(`${report.kind} ${column.key}`, column.label);
  const columns = report.columns.map((column): Column<Row> => ({
    id: column.key,
    header: label(column),
    accessorFn: ({ cells }) => {
      const cell = cells[column.key];
      return column.kind === "time" && typeof cell === "string" ? Date.parse(cell) : cell;
    },
    meta: {
      width: column.kind === "text" ? "1" : `${String(WIDTHS[column.kind])}rem`,
      isNumber: column.kind !== "text" && column.kind !== "time",
    },
    cell: ({ row: { original } }) => (
      <span className="figures truncate">{text(original.cells[column.key], column.kind)}</span>
    ),
  }));
  const width = report.columns.reduce((sum, column) => sum + WIDTHS[column.kind], 0);
  return (
    <div className="flex flex-col gap-4">
      <p className="figures text-sm text-ink-soft">
        {t("span", { from: text(report.from, "time"), to: text(report.to, "time"), zone: report.time_zone })}
      </p>
      <dl className="grid grid-cols-2 gap-3 sm:grid-cols-3 lg:grid-cols-4 xl:grid-cols-6">
        {report.figures.map((figure) => (
          <div key={figure.label} className="rounded-lg border border-line bg-surface px-pad py-2.5 shadow-card">
            <dt className="truncate text-sm text-ink-soft">{word("figure", figure.label)}</dt>
            <dd className="figures truncate text-xl font-semibold">{text(figure.value, figure.kind)}</dd>
          </div>
        ))}
      </dl>
      <Panel
        isFlush
        title={t("rows")}
        actions={<SearchField value={search} onChange={setSearch} />}
      >
        {rows.length === 0 ? (
          <EmptyState title={t("none")} />
        ) : (
          <div className="overflow-x-auto">
            <div style={{ minWidth: `${String(width)}rem` }}>
              <Table
                rows={rows}
                columns={columns}
                rowId={(row) => String(row.id)}
                label={t(report.kind)}
                search={search}
                onOpen={setOpened}
                height="max(20rem, calc(100dvh - 30rem))"
              />
            </div>
          </div>
        )}
      </Panel>
      {report.notes.length > 0 && (
        <ul className="flex list-disc flex-col gap-1 pl-5 text-sm text-ink-soft">
          {report.notes.map((note) => <li key={note}>{word("note", note)}</li>)}
        </ul>
      )}
      {opened !== undefined && (
        <Dialog isOpen onClose={() => { setOpened(undefined); }} width="side" title={t("row")}>
          <Facts facts={report.columns.map((column) => [label(column), text(opened.cells[column.key], column.kind)] as const)} />
        </Dialog>
      )}
    </div>
  );
}
