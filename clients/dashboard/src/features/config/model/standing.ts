import type { Tone } from "@/shared/ui/status";

/** What a device said of an entry that shall be in force on it. */
export interface Applied {
  readonly applied_version: number | null;
  readonly is_in_force: boolean | null;
  readonly error: string | null;
}

export type Standing = "inForce" | "refused" | "lagging" | "waiting" | "nothing";

/** How far a device is with an entry: an error counts more than being behind. */
export function standingOf({ applied_version, is_in_force, error }: Applied): Standing {
  if (is_in_force === null) return "nothing";
  if (error !== null) return "refused";
  if (is_in_force) return "inForce";
  return applied_version === null ? "waiting" : "lagging";
}

export const STANDING_TONES: Record<Standing, Tone> = {
  inForce: "ok", refused: "bad", lagging: "warn", waiting: "warn", nothing: "mute",
};
