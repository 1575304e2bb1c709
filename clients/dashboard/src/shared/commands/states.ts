import type { components } from "../api/generated/commands";
import type { Tone } from "../ui/status";

export type CommandState = components["schemas"]["CommandState"];

/** Every state of a command, in the order of its life; the last six are ends. */
export const STATES: readonly CommandState[] = [
  "queued", "published", "received", "started", "succeeded", "failed", "rejected", "expired", "cancelled", "unknown",
];

const TONES: Record<CommandState, Tone> = {
  queued: "mute",
  published: "info",
  received: "info",
  started: "info",
  succeeded: "ok",
  failed: "bad",
  rejected: "bad",
  expired: "warn",
  cancelled: "mute",
  unknown: "warn",
};

export function toneOf(state: CommandState): Tone {
  return TONES[state];
}
