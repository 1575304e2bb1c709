const WORDS = 3;

/**
 * Under which name a text of the service is translated: what it is about, and its first words. Columns have a name of
 * their own, so that two that are called the same in English may differ.
 */
export function wordKey(context: string, said: string): string {
  const from = context.includes(" ") ? context : `${context} ${said.split(/\s+/).slice(0, WORDS).join(" ")}`;
  return from.toLowerCase().replaceAll(/[^a-z0-9]+/g, "_").replaceAll(/^_|_$/g, "");
}
