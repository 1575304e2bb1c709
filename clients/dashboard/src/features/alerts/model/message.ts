/** What a message's template can hold; the service knows the same. */
export const PLACES = ["device_name", "device", "metric", "value", "unit", "threshold", "severity", "rule", "time"] as const;
export type Place = (typeof PLACES)[number];
export const MAX_TEMPLATE_CHARS = 300;

const PARTS = /\{\{|\}\}|\{([^{}]*)\}|[{}]/g;

/** The first thing in braces that is no place, or a brace that stands alone; undefined when all is well. */
export function strangePlace(template: string): string | undefined {
  for (const [part, name] of template.matchAll(PARTS)) {
    if (part === "{{" || part === "}}") continue;
    if (name === undefined || !(PLACES as readonly string[]).includes(name)) return part;
  }
  return undefined;
}

/** The sentence with its places filled in; what is strange stays as it is. */
export function fill(template: string, values: Readonly<Record<Place, string>>): string {
  return template.replaceAll(PARTS, (part, name?: string) => {
    if (part === "{{" || part === "}}") return part.slice(1);
    return name !== undefined && (PLACES as readonly string[]).includes(name) ? values[name as Place] : part;
  });
}

/** A value as the service writes it into a message: six digits that say something. */
export function shown(value: unknown): string {
  return typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(6))) : String(value);
}
