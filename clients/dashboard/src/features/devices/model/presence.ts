/** A time in which a device was not heard, in Unix milliseconds; without an end it still is. */
export interface Absence {
  readonly from: number;
  readonly to: number | undefined;
}

type Cell = string | number | boolean | null;

/** The absences out of the rows of the report of offline events, within a window, the newest first. */
export function absencesOf(rows: readonly Readonly<Record<string, Cell>>[], from: number): Absence[] {
  return rows.flatMap((row) => {
    const started = typeof row["started_at"] === "string" ? Date.parse(row["started_at"]) : Number.NaN;
    if (Number.isNaN(started)) return [];
    const ended = typeof row["ended_at"] === "string" ? Date.parse(row["ended_at"]) : undefined;
    return [{ from: Math.max(started, from), to: ended }];
  });
}

/** The share of a window in which the device was heard. */
export function presentShare(absences: readonly Absence[], from: number, to: number): number {
  const away = absences.reduce((sum, one) => sum + Math.max(0, Math.min(one.to ?? to, to) - Math.max(one.from, from)), 0);
  return to <= from ? 1 : Math.max(0, 1 - away / (to - from));
}
