import { parseValue, typedText } from "@/shared/values/value-spec";
import type { ValueSpec } from "@/shared/values/value-spec";

export const TYPES = ["integer", "number", "boolean", "text", "text_list"] as const;

/** What a key's values may be, as it is typed. */
export interface SpecDraft {
  readonly type: ValueSpec["type"];
  readonly description: string;
  readonly unit: string;
  readonly minimum: string;
  readonly maximum: string;
  readonly longest: string;
  /** One a line. */
  readonly choices: string;
  readonly usual: string;
}

export type DraftField = "key" | "minimum" | "maximum" | "longest" | "usual";
export type DraftFault = "badKey" | "notNumber" | "outOfOrder" | "badLength" | "badUsual";

/** Whoever declares a key does so under `custom.`: all others are the agents' own. */
export const KEY = /^custom(\.[a-z][a-z0-9_]*){1,7}$/;
const LONGEST = 4096;
const USUAL_LENGTH = 256;

export function draftOf(spec: ValueSpec | undefined): SpecDraft {
  return {
    type: spec?.type ?? "number",
    description: spec?.description ?? "",
    unit: spec?.unit ?? "",
    minimum: typedText(spec?.minimum),
    maximum: typedText(spec?.maximum),
    longest: typedText(spec?.max_length ?? USUAL_LENGTH),
    choices: (spec?.choices ?? []).join("\n"),
    usual: typedText(spec?.default),
  };
}

export function isNumeric(type: ValueSpec["type"]): boolean {
  return type === "integer" || type === "number";
}

/** Lists and texts may be bound to choices. */
export function isText(type: ValueSpec["type"]): boolean {
  return type === "text" || type === "text_list";
}

/** Read what was typed: the spec, or what is wrong with each field. The service checks again, by the same rules. */
export function readSpec(draft: SpecDraft): { spec: ValueSpec } | { faults: Partial<Record<DraftField, DraftFault>> } {
  const faults: Partial<Record<DraftField, DraftFault>> = {};
  const bound = (field: "minimum" | "maximum"): number | null => {
    if (!isNumeric(draft.type) || draft[field].trim() === "") return null;
    const value = Number(draft[field]);
    if (Number.isFinite(value)) return value;
    faults[field] = "notNumber";
    return null;
  };
  const [minimum, maximum] = [bound("minimum"), bound("maximum")];
  if (minimum !== null && maximum !== null && minimum > maximum) faults.maximum = "outOfOrder";
  const length = isText(draft.type) ? Number(draft.longest) : USUAL_LENGTH;
  if (!Number.isInteger(length) || length < 1 || length > LONGEST) faults.longest = "badLength";
  const choices = isText(draft.type) ? draft.choices.split("\n").map((one) => one.trim()).filter((one) => one !== "") : [];
  const spec: ValueSpec = {
    type: draft.type,
    description: draft.description.trim(),
    unit: draft.unit.trim() === "" ? null : draft.unit.trim(),
    minimum,
    maximum,
    max_length: length,
    choices: choices.length === 0 ? null : [...new Set(choices)],
    is_required: false,
  };
  const usual = parseValue(draft.usual, spec);
  if ("fault" in usual) faults.usual = "badUsual";
  if (Object.keys(faults).length > 0) return { faults };
  return { spec: { ...spec, default: "value" in usual ? (usual.value ?? null) : null } };
}
