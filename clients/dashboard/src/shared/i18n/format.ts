import { useMemo } from "react";
import { usePreferences } from "../preferences/preferences";
import type { Language } from "../preferences/preferences";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Numbers, times and durations as a language writes them. */
export interface Format {
  number(value: number, digits?: number): string;
  /** A reading: as many digits as say something, always the same number for one magnitude. */
  reading(value: number, isFractional?: boolean): string;
  compact(value: number): string;
  bytes(value: number): string;
  percent(ratio: number): string;
  time(ms: number): string;
  date(ms: number): string;
  dateTime(ms: number): string;
  /** "12 s ago", "in 3 min", "now". */
  ago(ms: number, now: number): string;
  /** "2 h 5 min". */
  duration(ms: number): string;
}

function build(language: Language): Format {
  const locale = language === "en" ? "en-GB" : "de-DE";
  const compact = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 });
  const percent = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1 });
  const time = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const date = new Intl.DateTimeFormat(locale, { day: "2-digit", month: "short", year: "numeric" });
  const dateTime = new Intl.DateTimeFormat(locale, {
    day: "2-digit", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
  });
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: "always", style: "narrow" });
  const now = new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(0, "second");
  const numbers = new Map<number, Intl.NumberFormat>();
  const withDigits = (digits: number): Intl.NumberFormat => {
    let known = numbers.get(digits);
    if (known === undefined) {
      known = new Intl.NumberFormat(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
      numbers.set(digits, known);
    }
    return known;
  };
  const unit = (value: number, name: string): string =>
    new Intl.NumberFormat(locale, { style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: 0 }).format(value);
  return {
    number: (value, digits = 0) => withDigits(digits).format(value),
    reading: (value, isFractional = false) => {
      if (!isFractional && Number.isInteger(value)) return withDigits(0).format(value);
      const size = Math.abs(value);
      return withDigits(size >= 1_000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 3).format(value);
    },
    compact: (value) => compact.format(value),
    bytes: (value) => {
      const names = ["byte", "kilobyte", "megabyte", "gigabyte"];
      const power = Math.min(names.length - 1, value < 1 ? 0 : Math.floor(Math.log10(value) / 3));
      return new Intl.NumberFormat(locale, { style: "unit", unit: names[power] ?? "byte", maximumFractionDigits: 1 })
        .format(value / 1000 ** power);
    },
    percent: (ratio) => percent.format(ratio),
    time: (ms) => time.format(ms),
    date: (ms) => date.format(ms),
    dateTime: (ms) => dateTime.format(ms),
    ago: (ms, from) => {
      const away = ms - from;
      const size = Math.abs(away);
      if (size < SECOND) return now;
      if (size < MINUTE) return relative.format(Math.trunc(away / SECOND), "second");
      if (size < HOUR) return relative.format(Math.trunc(away / MINUTE), "minute");
      if (size < DAY) return relative.format(Math.trunc(away / HOUR), "hour");
      return relative.format(Math.trunc(away / DAY), "day");
    },
    duration: (ms) => {
      if (ms < MINUTE) return unit(Math.round(ms / SECOND), "second");
      const parts: [number, string][] = ms < HOUR
        ? [[Math.floor(ms / MINUTE), "minute"], [Math.floor((ms % MINUTE) / SECOND), "second"]]
        : ms < DAY
          ? [[Math.floor(ms / HOUR), "hour"], [Math.floor((ms % HOUR) / MINUTE), "minute"]]
          : [[Math.floor(ms / DAY), "day"], [Math.floor((ms % DAY) / HOUR), "hour"]];
      return parts.filter(([value], index) => index === 0 || value > 0).map(([value, name]) => unit(value, name)).join(" ");
    },
  };
}

const built = new Map<Language, Format>();

/** The format of a language; made once. */
export function formatOf(language: Language): Format {
  let format = built.get(language);
  if (format === undefined) built.set(language, (format = build(language)));
  return format;
}

export function useFormat(): Format {
  const language = usePreferences((state) => state.language);
  return useMemo(() => formatOf(language), [language]);
}
