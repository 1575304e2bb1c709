/** One field that an entry tells about, as text; undefined: it was not there. */
export interface Change {
  readonly field: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

type Fields = Readonly<Record<string, unknown>> | null | undefined;

function said(fields: Fields, name: string): string | undefined {
  if (fields === null || fields === undefined || !(name in fields)) return undefined;
  const value = fields[name];
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** What is different between before and after, by field; what stayed the same is left out. */
export function changesOf(before: Fields, after: Fields): readonly Change[] {
  const names = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})]);
  return [...names]
    .sort()
    .map((field) => ({ field, before: said(before, field), after: said(after, field) }))
    .filter((change) => change.before !== change.after);
}
