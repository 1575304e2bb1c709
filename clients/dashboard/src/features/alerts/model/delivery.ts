import type { components } from "@/shared/api/generated/alerts";
import type { Tone } from "@/shared/ui/status";

export type MessageState = components["schemas"]["MessageAnswer"]["state"];

const TONES: Record<MessageState, Tone> = {
  queued: "info", sending: "info", sent: "ok", failed: "bad", suppressed: "mute", unknown: "warn",
};

export function deliveryTone(state: MessageState): Tone {
  return TONES[state];
}

/** Whether something may still become of it. */
export function isOnItsWay(state: MessageState): boolean {
  return state === "queued" || state === "sending";
}
