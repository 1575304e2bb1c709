/** How far a zone's clocks are before UTC at a moment. */
function offsetAt(ms: number, zone: string): number {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric",
  }).formatToParts(ms);
  const of = (type: string): number => Number(parts.find((part) => part.type === type)?.value ?? 0);
  return Date.UTC(of("year"), of("month") - 1, of("day"), of("hour"), of("minute"), of("second")) - Math.floor(ms / 1000) * 1000;
}

/** The moment at which a day (`2026-11-21`) begins in a zone. */
export function dayStart(date: string, zone: string): number {
  const utc = Date.parse(`${date}T00:00:00Z`);
  // The offset may change on that very day: the second look is at the moment that the first one found.
  const first = utc - offsetAt(utc, zone);
  return utc - offsetAt(first, zone);
}

export function nextDay(date: string): string {
  const next = new Date(`${date}T00:00:00Z`);
  next.setUTCDate(next.getUTCDate() + 1);
  return next.toISOString().slice(0, 10);
}

/** Moments written as a zone's clocks show them. */
export function zonedFormat(locale: string, zone: string): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat(locale, {
    timeZone: zone, day: "2-digit", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
  });
}
