/**
 * The page's one live connection and what it fills. Data come in here, into maps and ring buffers outside of React; the
 * hooks of `hooks.ts` and the charts read them.
 */
import {
  browserEnvironment,
  browserFrames,
  EventLog,
  KeyedStore,
  LiveClient,
  SharedTopic,
  systemClock,
  TelemetryDemand,
  TelemetryStore,
} from "@precisionpulse/live";
import type { TelemetryRow } from "@precisionpulse/live";
import { queryClient } from "../api/client";
import { forgetKept, keep, readKept } from "../cache/last-state";
import type { Permission } from "../session/permission";
import { accessToken, keepOnly, onToken, refresh, useSession } from "../session/session";
import type { ConfigEntry, DesktopSync, LiveDevice, SystemSummary } from "./shapes";

/** Four times a second is as fast as a number can be read; charts have `telemetry.raw`. */
const LATEST_MS = 250;
const RAW_MS = 50;
const KEEP_EVERY_MS = 10_000;
/** The first snapshots are there by then; a visit of a few seconds leaves something too. */
const KEEP_FIRST_MS = 2_000;
/** The clock on the wall may be behind: a session that was just refused is asked about once, not in a circle. */
const ASK_AGAIN_AFTER_MS = 30_000;

const url = new URL("/ws/live", window.location.href);
url.protocol = url.protocol === "https:" ? "wss:" : "ws:";

export const live = new LiveClient({
  url: url.href,
  client: { name: "dashboard", version: __VERSION__ },
  token: accessToken,
  clock: systemClock,
  environment: browserEnvironment(),
  random: Math.random,
  open: (address, protocol) => new WebSocket(address, protocol),
  report: (error) => {
    console.error(error);
  },
});

const frames = browserFrames();
const now = (): number => live.serverNow();

export const telemetry = new TelemetryStore(frames, now);
export const devices = new KeyedStore<LiveDevice>(frames, now, (deviceId) => {
  telemetry.forget(deviceId);
});
export const system = new KeyedStore<SystemSummary>(frames, now);
export const syncStates = new KeyedStore<DesktopSync>(frames, now);
export const configEntries = new KeyedStore<ConfigEntry>(frames, now);
export const alertEvents = new EventLog(frames);
export const commandEvents = new EventLog(frames);
export const auditEvents = new EventLog(frames);

export const latestDemand = new TelemetryDemand(live, systemClock, "telemetry.latest", telemetry.sink, LATEST_MS);
export const rawDemand = new TelemetryDemand(live, systemClock, "telemetry.raw", telemetry.sink, RAW_MS);

export const topics = {
  devices: new SharedTopic(live, systemClock, "devices", devices.sink),
  system: new SharedTopic(live, systemClock, "system", system.sink),
  sync: new SharedTopic(live, systemClock, "sync", syncStates.sink),
  config: new SharedTopic(live, systemClock, "config", configEntries.sink),
  alerts: new SharedTopic(live, systemClock, "alerts", alertEvents.sink),
  commands: new SharedTopic(live, systemClock, "commands", commandEvents.sink),
  audit: new SharedTopic(live, systemClock, "audit", auditEvents.sink),
} as const;

export type SharedTopicName = keyof typeof topics;

/** What is held of each thing that needs a right. */
const HELD: readonly (readonly [Permission, () => void])[] = [
  ["telemetry:read", () => { telemetry.clear(); }],
  ["devices:read", () => { devices.replace(new Map()); }],
  ["system:read", () => { system.replace(new Map()); }],
  ["sync:read", () => { syncStates.replace(new Map()); }],
  ["config:read", () => { configEntries.replace(new Map()); }],
  ["alerts:read", () => { alertEvents.clear(); }],
  ["commands:read", () => { commandEvents.clear(); }],
  ["audit:read", () => { auditEvents.clear(); }],
];

function forgetEverything(): void {
  for (const [, forget] of HELD) forget();
}

/** The rights are others: what was lost is gone from the page now, what was gained comes with the next token. */
function followRights(permissions: readonly string[]): void {
  keepOnly(permissions);
  for (const [permission, forget] of HELD) if (!permissions.includes(permission)) forget();
  void forgetKept();
  const askAgain = (): void => {
    queryClient.removeQueries({ type: "inactive" });
    void queryClient.invalidateQueries();
  };
  refresh().then(askAgain, askAgain);
}

async function showKept(userId: string): Promise<void> {
  const [keptDevices, keptSystem, keptValues] = await Promise.all(
    ["devices", "system", "telemetry"].map((name) => readKept(userId, name)),
  );
  // What came over the line meanwhile is newer than anything that was kept.
  if (keptDevices !== undefined && devices.updatedAt === undefined) {
    devices.replace(new Map(keptDevices.entries as [string, LiveDevice][]), keptDevices.at);
  }
  if (keptSystem !== undefined && system.updatedAt === undefined) {
    system.replace(new Map(keptSystem.entries as [string, SystemSummary][]), keptSystem.at);
  }
  if (keptValues !== undefined) telemetry.apply(keptValues.entries.map(([, row]) => row as TelemetryRow));
}

function keepState(userId: string): void {
  if (devices.updatedAt !== undefined) {
    void keep(userId, "devices", { at: devices.updatedAt, entries: [...devices.all()] });
  }
  if (system.updatedAt !== undefined) void keep(userId, "system", { at: system.updatedAt, entries: [...system.all()] });
  const rows = [...telemetry.samples()].map(
    (sample): [string, TelemetryRow] => ["", [sample.deviceId, sample.metric, sample.ts, sample.value, sample.quality]],
  );
  if (rows.length > 0) void keep(userId, "telemetry", { at: now(), entries: rows });
}

/** Connect while somebody is signed in; called once, before the page is drawn. */
export function followSession(): void {
  let userId: string | undefined;
  let askedAt = 0;
  let keptFor = 0;

  const follow = (): void => {
    const state = useSession.getState();
    const user = state.kind === "closed" ? undefined : state.user;
    if (user?.id !== userId) {
      if (userId !== undefined) forgetEverything();
      userId = user?.id;
      if (userId !== undefined) void showKept(userId);
    }
    // Also while nobody answers: the line is tried again and again, and its token is asked for when it is up.
    if (state.kind === "closed") live.stop();
    else if (user !== undefined && live.connection.get().phase === "idle") live.start();
  };
  useSession.subscribe(follow);
  follow();

  const keepNow = (): void => {
    if (userId !== undefined && live.connection.get().opened > 0) keepState(userId);
  };

  onToken((token) => {
    live.renewToken(token);
  });

  live.connection.subscribe(() => {
    const { phase, user, stop, opened } = live.connection.get();
    if (phase === "open" && opened !== keptFor) {
      keptFor = opened;
      setTimeout(keepNow, KEEP_FIRST_MS);
    }
    const state = useSession.getState();
    if (phase === "open" && user !== undefined && state.kind === "open") {
      const held = [...state.user.permissions].sort().join();
      // The server says who we are now; the page's rights follow.
      if (held !== [...user.permissions].sort().join()) followRights(user.permissions);
    }
    const isRefused = stop !== undefined && (stop.code === 4001 || stop.code === 4010 || stop.code === 4003);
    if (phase === "stopped" && isRefused && Date.now() - askedAt > ASK_AGAIN_AFTER_MS) {
      askedAt = Date.now();
      refresh().then(
        () => {
          live.start();
        },
        () => undefined,
      );
    }
  });

  setInterval(keepNow, KEEP_EVERY_MS);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") keepNow();
  });
}
