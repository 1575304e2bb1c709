import { freshness } from "@precisionpulse/live";
import type { Connection, EventItem, Freshness, KeyedStore, Sample, SubscriptionStatus } from "@precisionpulse/live";
import { useCallback, useEffect, useSyncExternalStore } from "react";
import { useFromNow } from "../time/ticker";
import {
  alertEvents,
  auditEvents,
  commandEvents,
  configEntries,
  devices,
  latestDemand,
  live,
  syncStates,
  system,
  telemetry,
  topics,
} from "./live";
import type { SharedTopicName } from "./live";
import type { ConfigEntry, DesktopSync, LiveDevice, SystemSummary } from "./shapes";

const LOGS = { alerts: alertEvents, commands: commandEvents, audit: auditEvents } as const;

interface Shapes {
  readonly devices: LiveDevice;
  readonly system: SystemSummary;
  readonly sync: DesktopSync;
  readonly config: ConfigEntry;
}

const STATES: { readonly [Name in keyof Shapes]: KeyedStore<Shapes[Name]> } = {
  devices,
  system,
  sync: syncStates,
  config: configEntries,
};

/** Keep a topic subscribed while mounted; returns how the subscription stands. */
export function useTopic(name: SharedTopicName): SubscriptionStatus {
  const topic = topics[name];
  useEffect(() => topic.use(), [topic]);
  return useSyncExternalStore(topic.status.subscribe, topic.status.get);
}

/** All objects of a state topic by key: the same map until one changed. */
export function useStates<Name extends keyof Shapes>(name: Name): ReadonlyMap<string, Shapes[Name]> {
  useTopic(name);
  const store = STATES[name];
  return useSyncExternalStore(store.onAny, store.all);
}

/** One object of a state topic; drawn again only when this one changed. */
export function useStateOf<Name extends keyof Shapes>(name: Name, key: string): Shapes[Name] | undefined {
  useTopic(name);
  const store = STATES[name];
  const subscribe = useCallback((listener: () => void) => store.onKey(key, listener), [store, key]);
  return useSyncExternalStore(subscribe, () => store.get(key));
}

/** When a state topic was last told; before the first live word, when its kept copy is from. */
export function useUpdatedAt(name: keyof Shapes): number | undefined {
  const store = STATES[name];
  return useSyncExternalStore(store.onAny, () => store.updatedAt);
}

/** The newest events of a log topic, the newest first. */
export function useEvents(name: keyof typeof LOGS): readonly EventItem[] {
  useTopic(name);
  const log = LOGS[name];
  return useSyncExternalStore(log.onAny, log.items);
}

/** Do something for every new event of a log topic: mostly, bring a query up to date. */
export function useOnEvents(name: keyof typeof LOGS, run: (items: readonly EventItem[]) => void): void {
  useTopic(name);
  useEffect(() => LOGS[name].onEvents(run), [name, run]);
}

/** Want latest values of some devices and metrics while mounted; without devices, of all. */
export function useLatestWanted(deviceIds: readonly string[] | undefined, metrics?: readonly string[]): void {
  const key = JSON.stringify([deviceIds, metrics]);
  useEffect(() => {
    const [ids, names] = JSON.parse(key) as [string[] | null, string[] | null];
    return latestDemand.want({
      ...(ids === null ? {} : { deviceIds: ids }),
      ...(names === null ? {} : { metrics: names }),
    });
  }, [key]);
}

/** The newest value of one metric; somebody must want it (`useLatestWanted`). */
export function useSample(deviceId: string, metric: string): Sample | undefined {
  const subscribe = useCallback(
    (listener: () => void) => telemetry.onSample(deviceId, metric, listener),
    [deviceId, metric],
  );
  return useSyncExternalStore(subscribe, () => telemetry.sample(deviceId, metric));
}

/** The metrics that a device has values of. */
export function useMetrics(deviceId: string): readonly string[] {
  const subscribe = useCallback((listener: () => void) => telemetry.onDevice(deviceId, listener), [deviceId]);
  return useSyncExternalStore(subscribe, () => telemetry.metrics(deviceId));
}

/** How often a device speaks, in milliseconds, as far as its metrics are wanted. */
export function useRhythm(deviceId: string): number | undefined {
  const subscribe = useCallback((listener: () => void) => telemetry.onDevice(deviceId, listener), [deviceId]);
  return useSyncExternalStore(subscribe, () => telemetry.rhythm(deviceId));
}

/** How far a value can be trusted now; moves with the second hand. */
export function useFreshness(sample: Sample | undefined, deviceId: string): Freshness {
  const device = useStateOf("devices", deviceId);
  const isOffline = device !== undefined && device.status === "OFFLINE";
  return useFromNow(() =>
    sample === undefined ? "offline" : freshness(live.serverNow() - sample.seenAt, sample.intervalMs, isOffline),
  );
}

export function useConnection(): Connection {
  return useSyncExternalStore(live.connection.subscribe, live.connection.get);
}

/** Nothing heard for so long: what is shown may not be so any more. */
const SILENT_MS = 3_000;

export type Trust = "live" | "starting" | "silent";

/** Whether the screen can be trusted: `silent` after three seconds without a frame. */
export function useTrust(): Trust {
  const { phase, opened } = useConnection();
  const isSilent = useFromNow((now) => now - live.heardAt >= SILENT_MS);
  if (phase === "open" && !isSilent) return "live";
  if (phase === "offline" || phase === "stopped" || opened > 0) return isSilent || phase !== "open" ? "silent" : "live";
  return isSilent && phase !== "idle" ? "silent" : "starting";
}

/** What came back with the last reconnect, for so long as it is worth saying. */
export function useResync(forMs: number): number | undefined {
  const resync = useSyncExternalStore(live.resync.subscribe, live.resync.get);
  const isRecent = useFromNow((now) => resync !== undefined && now - resync.at < forMs);
  return isRecent ? resync?.points : undefined;
}
