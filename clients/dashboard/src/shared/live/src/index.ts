/** The package's whole surface: what is not here is its own business. */
export { LiveClient } from "./client";
export type { Connection, LiveClientOptions, Phase, Resync, SocketLike } from "./client";
export { every, systemClock } from "./clock";
export type { Clock } from "./clock";
export { closeVerdict } from "./close-codes";
export type { CloseVerdict } from "./close-codes";
export { browserEnvironment, headless } from "./environment";
export type { Environment } from "./environment";
export { STATE_TOPICS, SUBPROTOCOL } from "./frames";
export type {
  ErrorCode,
  EventItem,
  Filter,
  MetricValue,
  Position,
  ServerFrame,
  TelemetryRow,
  Topic,
  UserInfo,
} from "./frames";
export { Signal } from "./signal";
export type { Readable } from "./signal";
export type { LiveSubscription, SubscriptionRequest, SubscriptionSink, SubscriptionStatus } from "./subscription";
export { TelemetryDemand } from "./stores/demand";
export type { Want } from "./stores/demand";
export { EventLog } from "./stores/event-log";
export { browserFrames, Flush } from "./stores/flush";
export type { FrameRequest } from "./stores/flush";
export { freshness } from "./stores/freshness";
export type { Freshness } from "./stores/freshness";
export { KeyedStore } from "./stores/keyed";
export { GAP_INTERVALS, Series } from "./stores/series";
export type { Span } from "./stores/series";
export { SharedTopic } from "./stores/shared-topic";
export { TelemetryStore } from "./stores/telemetry";
export type { Sample, TelemetryGap } from "./stores/telemetry";
