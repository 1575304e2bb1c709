import type { components } from "../api/generated/commands";

/** What a value may be: an argument of a command, a configuration key. */
export type ValueSpec = components["schemas"]["ValueSpec"];
export type Value = number | boolean | string | readonly string[];

/** Why what was typed is not a value of its kind; `limit` is the bound it breaks. */
export type ValueFault =
  | { readonly code: "missing" | "not_integer" | "not_number" | "not_a_choice" }
  | { readonly code: "too_small" | "too_large" | "too_long"; readonly limit: number };

export type Parsed = { readonly value: Value | undefined } | { readonly fault: ValueFault };

/** How a value stands in its field: a list has one entry a line. */
export function typedText(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.join("\n");
  return typeof value === "string" ? value : JSON.stringify(value);
}

function parseNumber(text: string, spec: ValueSpec): Parsed {
  const value = Number(text);
  if (!Number.isFinite(value)) return { fault: { code: spec.type === "integer" ? "not_integer" : "not_number" } };
  if (spec.type === "integer" && !Number.isSafeInteger(value)) return { fault: { code: "not_integer" } };
  if (spec.minimum != null && value < spec.minimum) return { fault: { code: "too_small", limit: spec.minimum } };
  if (spec.maximum != null && value > spec.maximum) return { fault: { code: "too_large", limit: spec.maximum } };
  return { value };
}

function parseText(text: string, spec: ValueSpec): ValueFault | undefined {
  const longest = spec.max_length ?? 256;
  if (text.length > longest) return { code: "too_long", limit: longest };
  if (spec.choices != null && !spec.choices.includes(text)) return { code: "not_a_choice" };
  return undefined;
}

/** Read what was typed; nothing typed is no value, unless one is required. The service checks again, by the same rules. */
export function parseValue(text: string, spec: ValueSpec): Parsed {
  if (text.trim() === "") return spec.is_required === true ? { fault: { code: "missing" } } : { value: undefined };
  switch (spec.type) {
    case "integer":
    case "number":
      return parseNumber(text.trim(), spec);
    case "boolean":
      return { value: text === "true" };
    case "text": {
      const fault = parseText(text, spec);
      return fault === undefined ? { value: text } : { fault };
    }
    case "text_list": {
      const entries = text.split("\n").map((entry) => entry.trim()).filter((entry) => entry !== "");
      const fault = entries.map((entry) => parseText(entry, spec)).find((found) => found !== undefined);
      return fault === undefined ? { value: entries } : { fault };
    }
  }
}
