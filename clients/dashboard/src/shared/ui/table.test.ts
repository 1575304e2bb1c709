// @vitest-environment jsdom
import { describe, expect, it } from "vitest";
import { arranged } from "./table";
import type { Column } from "./table";

interface Row {
  readonly name: string;
  readonly size: number | null;
}

const rows: readonly Row[] = [
  { name: "pump 10", size: 2 },
  { name: "Pump 9", size: null },
  { name: "valve 1", size: 10 },
];
const columns: readonly Column<Row>[] = [
  { header: "Name", accessorKey: "name" },
  { id: "size", header: "Size", accessorFn: (row) => row.size },
];
const names = (found: readonly Row[]): string[] => found.map((row) => row.name);

describe("rows", () => {
  it("are sorted as people count, not as letters fall", () => {
    expect(names(arranged(rows, columns, "", [{ id: "name", desc: false }]))).toEqual(["Pump 9", "pump 10", "valve 1"]);
  });

  it("without a value come last, whichever way", () => {
    expect(names(arranged(rows, columns, "", [{ id: "size", desc: false }]))).toEqual(["pump 10", "valve 1", "Pump 9"]);
    expect(names(arranged(rows, columns, "", [{ id: "size", desc: true }]))).toEqual(["valve 1", "pump 10", "Pump 9"]);
  });

  it("are found by every word, in any column", () => {
    expect(names(arranged(rows, columns, "PUMP 2", []))).toEqual(["pump 10"]);
    expect(arranged(rows, columns, "nothing", [])).toEqual([]);
  });

  it("stay as they came when nobody asks for more", () => {
    expect(arranged(rows, columns, " ", [])).toBe(rows);
  });
});
