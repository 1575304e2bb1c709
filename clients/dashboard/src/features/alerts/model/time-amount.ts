/** A length of time as somebody types it: a number and its unit. */
export interface TimeAmount {
  readonly amount: string;
  readonly unit: TimeUnit;
}

export const TIME_UNITS = ["s", "min", "h", "d"] as const;
export type TimeUnit = (typeof TIME_UNITS)[number];

const SECONDS: Record<TimeUnit, number> = { s: 1, min: 60, h: 3_600, d: 86_400 };

/** The number in a text, with a point or a comma; undefined when it is none. */
export function readNumber(text: string): number | undefined {
  const plain = text.trim();
  if (plain === "") return undefined;
  const value = Number(plain.includes(".") ? plain : plain.replace(",", "."));
  return Number.isFinite(value) ? value : undefined;
}

export function readSeconds({ amount, unit }: TimeAmount): number | undefined {
  const value = readNumber(amount);
  return value === undefined ? undefined : value * SECONDS[unit];
}

/** Seconds in the largest unit of which they are a whole number. */
export function asTimeAmount(seconds: number): TimeAmount {
  const unit = ([...TIME_UNITS].reverse().find((one) => seconds > 0 && seconds % SECONDS[one] === 0)) ?? "s";
  return { amount: String(seconds / SECONDS[unit]), unit };
}
