import { telemetry } from "@/shared/streams/live";
import type { LiveDevice } from "@/shared/streams/shapes";
import type { RuleDraft } from "../../model/rule-draft";

/** The devices that a draft is for, of those that the person sees. */
export function watchedDevices(
  { target, deviceIds, groups }: Pick<RuleDraft, "target" | "deviceIds" | "groups">,
  devices: ReadonlyMap<string, LiveDevice>,
): string[] {
  return [...devices]
    .filter(([id, device]) => {
      if (target === "all") return true;
      return target === "devices" ? deviceIds.includes(id) : device.groups.some((group) => groups.includes(group));
    })
    .map(([id]) => id);
}

/** The metrics that some devices have values of. */
export function knownMetrics(deviceIds: readonly string[]): string[] {
  return [...new Set(deviceIds.flatMap((id) => [...telemetry.metrics(id)]))].sort();
}

function matching(glob: string, deviceId: string): string | undefined {
  const pattern = new RegExp(`^${glob.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".")}$`);
  return telemetry.metrics(deviceId).find((metric) => pattern.test(metric));
}

/** Whether a device has values of a metric, or of one that a pattern means. */
export function hasMetric(glob: string, deviceId: string): boolean {
  return matching(glob, deviceId) !== undefined;
}

/** The metric of the device that a pattern means; the pattern itself when none is known. */
export function watchedMetric(glob: string, deviceId: string): string {
  return matching(glob, deviceId) ?? glob;
}
