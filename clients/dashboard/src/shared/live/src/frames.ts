/** The frames of `precisionpulse.v1`, as generated from the gateway's asyncapi.json. */
import type { components } from "./generated/frames";

type Schemas = components["schemas"];

export const SUBPROTOCOL = "precisionpulse.v1";

/** A client's frame: what has a default may be left out. */
type Asking<F extends { type: string; id: number }, Needed extends keyof F> = Pick<F, "type" | Needed> & Partial<F>;
export type AuthFrame = Asking<Schemas["AuthFrame"], "token" | "client">;
export type AuthRefreshFrame = Asking<Schemas["AuthRefreshFrame"], "token">;
export type SubscribeFrame = Asking<Schemas["SubscribeFrame"], "sub" | "topic">;
export type TuneFrame = Asking<Schemas["TuneFrame"], "sub">;
export type UnsubscribeFrame = Asking<Schemas["UnsubscribeFrame"], "sub">;
export type PingFrame = Asking<Schemas["PingFrame"], never>;
export type ClientFrame = AuthFrame | AuthRefreshFrame | SubscribeFrame | TuneFrame | UnsubscribeFrame | PingFrame;

export type HelloFrame = Schemas["HelloFrame"];
export type ReadyFrame = Schemas["ReadyFrame"];
export type AckFrame = Schemas["AckFrame"];
export type ErrorFrame = Schemas["ErrorFrame"];
export type SnapshotFrame = Schemas["SnapshotFrame"];
export type DataFrame = Schemas["DataFrame"];
export type StateFrame = Schemas["StateFrame"];
export type EventFrame = Schemas["EventFrame"];
export type EventItem = Schemas["EventItem"];
export type GapFrame = Schemas["GapFrame"];
export type HeartbeatFrame = Schemas["HeartbeatFrame"];
export type TokenExpiringFrame = Schemas["TokenExpiringFrame"];
export type UnsubscribedFrame = Schemas["UnsubscribedFrame"];
export type UserFrame = Schemas["UserFrame"];
export type PongFrame = Schemas["PongFrame"];
export type ByeFrame = Schemas["ByeFrame"];
export type ServerFrame =
  | HelloFrame
  | ReadyFrame
  | AckFrame
  | ErrorFrame
  | SnapshotFrame
  | DataFrame
  | StateFrame
  | EventFrame
  | GapFrame
  | HeartbeatFrame
  | TokenExpiringFrame
  | UnsubscribedFrame
  | UserFrame
  | PongFrame
  | ByeFrame;

export type Filter = Partial<Schemas["Filter"]>;
export type Position = Schemas["Position"];
export type UserInfo = Schemas["UserInfo"];
export type ErrorCode = ErrorFrame["code"];
export type MetricValue = number | boolean | string;
export type TelemetryRow = [deviceId: string, metric: string, ts: number, value: MetricValue, quality: string];
export type Topic =
  | "telemetry.latest"
  | "telemetry.raw"
  | "devices"
  | "system"
  | "sync"
  | "config"
  | "alerts"
  | "commands"
  | "audit";

/** Topics whose subscription begins with a snapshot; the others are logs. */
export const STATE_TOPICS: ReadonlySet<Topic> = new Set(["telemetry.latest", "devices", "system", "sync", "config"]);

/** Read a message: one frame or an array of frames. Throws SyntaxError when it is not JSON. */
export function readFrames(text: string): ServerFrame[] {
  const parsed = JSON.parse(text) as ServerFrame | ServerFrame[];
  return Array.isArray(parsed) ? parsed : [parsed];
}
