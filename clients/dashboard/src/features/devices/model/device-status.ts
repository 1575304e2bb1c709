import type { LiveDevice } from "@/shared/streams/shapes";
import type { Tone } from "@/shared/ui/status";

/** How a device stands, in tone and word. */
export interface DeviceStanding {
  readonly tone: Tone;
  readonly text: "online" | "offline" | "disabled";
}

/** A disabled device is neither here nor missed. */
export function standingOf(device: LiveDevice): DeviceStanding {
  if (!device.is_active) return { tone: "mute", text: "disabled" };
  return device.status === "ONLINE" ? { tone: "ok", text: "online" } : { tone: "warn", text: "offline" };
}

/** The share of readings that are here, of all that are known to exist; undefined when nothing is known. */
export function completeShare(device: LiveDevice): number | undefined {
  const report = device.completeness;
  if (report === null) return undefined;
  const all = report.received + report.missing + report.lost;
  return all === 0 ? undefined : report.received / all;
}

