import type { components } from "@/shared/api/generated/gateway";

type Schemas = components["schemas"];
export type Aggregate = Schemas["Aggregate"];
export type Fill = Schemas["Fill"];

/** Stretches up to now, by the name they have in an address, in milliseconds. */
export const PRESETS = {
  "15m": 15 * 60_000,
  "1h": 3_600_000,
  "6h": 6 * 3_600_000,
  "24h": 24 * 3_600_000,
  "7d": 7 * 24 * 3_600_000,
  "30d": 30 * 24 * 3_600_000,
  "90d": 90 * 24 * 3_600_000,
} as const;
export type Preset = keyof typeof PRESETS;
export const USUAL: Preset = "1h";

export const AGGREGATES: readonly Aggregate[] = ["avg", "min", "max", "sum", "count", "first", "last", "median", "difference"];
export const FILLS: readonly Fill[] = ["null", "previous", "linear", "none"];
export const INTERVALS = ["1s", "10s", "1m", "5m", "15m", "1h", "6h", "1d", "1w", "1mo"] as const;
const INTERVAL = /^[1-9][0-9]{0,5}(s|m|h|d|w|mo)$/;

/** What the address of the page says: all of it, so that whoever gets it sees the same. */
export interface HistoryFilters {
  /** Ids, separated by commas. */
  readonly devices?: string;
  /** Keys, separated by commas; without: every metric. */
  readonly metrics?: string;
  readonly range?: Preset;
  /** ISO 8601; both or neither, and then `range` does not count. */
  readonly from?: string;
  readonly to?: string;
  /** Without: as many points as a chart can show. */
  readonly interval?: string;
  readonly agg?: Aggregate;
  readonly fill?: Fill;
  readonly tz?: string;
  /** All metrics in one chart instead of one chart each. */
  readonly view?: "together";
  readonly tab?: "rows" | "exports";
  readonly order?: "asc";
  readonly cursor?: string;
  readonly q?: string;
}

function oneOf<T extends string>(known: readonly T[], value: unknown): T | undefined {
  return known.find((one) => one === value);
}

function text(value: unknown): string | undefined {
  const found = typeof value === "number" ? String(value) : value;
  return typeof found === "string" && found.trim() !== "" ? found.trim() : undefined;
}

/** Names out of a list in an address, each once. */
export function namesOf(list: string | undefined): readonly string[] {
  return [...new Set((list ?? "").split(",").map((name) => name.trim()).filter(Boolean))];
}

function list(value: unknown): string | undefined {
  const names = namesOf(text(value));
  return names.length === 0 ? undefined : names.join(",");
}

function moment(value: unknown): string | undefined {
  const found = text(value);
  return found !== undefined && Number.isFinite(Date.parse(found)) ? new Date(found).toISOString() : undefined;
}

/** Take the filters out of an address; what makes no sense is left out. */
export function readFilters(search: Record<string, unknown>): HistoryFilters {
  const [devices, metrics, cursor, q] = [list(search["devices"]), list(search["metrics"]), text(search["cursor"]), text(search["q"])];
  const [from, to, interval, tz] = [moment(search["from"]), moment(search["to"]), text(search["interval"]), text(search["tz"])];
  const isSpan = from !== undefined && to !== undefined && from < to;
  const range = oneOf(Object.keys(PRESETS) as Preset[], search["range"]);
  const agg = oneOf(AGGREGATES, search["agg"]);
  const fill = oneOf(FILLS, search["fill"]);
  const tab = oneOf(["rows", "exports"] as const, search["tab"]);
  return {
    ...(devices !== undefined && { devices }),
    ...(metrics !== undefined && { metrics }),
    ...(isSpan ? { from, to } : range !== undefined && range !== USUAL && { range }),
    ...(interval !== undefined && INTERVAL.test(interval) && { interval }),
    ...(agg !== undefined && agg !== "avg" && { agg }),
    ...(fill !== undefined && fill !== "null" && { fill }),
    ...(tz !== undefined && { tz }),
    ...(search["view"] === "together" && { view: "together" as const }),
    ...(tab !== undefined && { tab }),
    ...(search["order"] === "asc" && { order: "asc" as const }),
    // A cursor belongs to the stretch that it was given for; one that ends now is another one a second later.
    ...(cursor !== undefined && isSpan && { cursor }),
    ...(q !== undefined && { q }),
  };
}

/** From when to when, in Unix milliseconds. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** The stretch that is asked for, where `now` is now. */
export function stretchOf({ from, to, range }: HistoryFilters, now: number): Stretch {
  if (from !== undefined && to !== undefined) return { from: Date.parse(from), to: Date.parse(to) };
  return { from: now - PRESETS[range ?? USUAL], to: now };
}

/** A stretch as an address says it. */
export function asSearch({ from, to }: Stretch): { from: string; to: string; range: undefined; cursor: undefined } {
  return { from: new Date(from).toISOString(), to: new Date(to).toISOString(), range: undefined, cursor: undefined };
}

/** What a field for local date and time shows of a moment, and back. */
export function localField(ms: number): string {
  return new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
