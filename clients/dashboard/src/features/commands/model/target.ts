/** Whom a command is for. */
export type Target =
  | { readonly kind: "devices"; readonly deviceIds: readonly string[] }
  | { readonly kind: "group"; readonly group: string }
  | { readonly kind: "all" };

interface Reachable {
  readonly groups: readonly string[];
  readonly status: "ONLINE" | "OFFLINE";
  readonly is_active: boolean;
}

/** The devices that are meant, of those that the person sees. */
export function meant<Device extends Reachable>(target: Target, devices: ReadonlyMap<string, Device>): readonly [string, Device][] {
  return [...devices].filter(([id, device]) => {
    if (target.kind === "all") return true;
    return target.kind === "group" ? device.groups.includes(target.group) : target.deviceIds.includes(id);
  });
}

/** The target as the service wants it. */
export function asBody(target: Target): { device_ids: string[] } | { group: string } | { all_in_scope: true } {
  if (target.kind === "all") return { all_in_scope: true };
  return target.kind === "group" ? { group: target.group } : { device_ids: [...target.deviceIds] };
}
