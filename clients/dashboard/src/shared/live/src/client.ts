import { backoffMs, MEND_FLOOR_MS } from "./backoff";
import { every } from "./clock";
import type { Clock } from "./clock";
import { CLOSE_BY_CLIENT, CLOSE_TOKEN_EXPIRED, closeVerdict } from "./close-codes";
import type { Environment } from "./environment";
import { readFrames, SUBPROTOCOL } from "./frames";
import type { AckFrame, ByeFrame, ClientFrame, ErrorFrame, ReadyFrame, ServerFrame, UserInfo } from "./frames";
import { PacedSender } from "./pacing";
import { Signal } from "./signal";
import { Subscription } from "./subscription";
import type { LiveSubscription, SubscriptionRequest, SubscriptionSink } from "./subscription";

const WATCH_MS = 500;
/** With nothing heard for so long a ping asks whether anybody is there; a banner must be up after 3 s of silence. */
const PING_AFTER_MS = 1_000;
const DEAD_AFTER_HEARTBEATS = 2.5;
const PAUSE_AFTER_HIDDEN_MS = 30_000;
/** A connection that lasted so long was a good one: the next attempts count from the beginning. */
const GOOD_AFTER_MS = 5_000;
/** Timers that come so much too late mean that the machine slept; then an answer is due at once. */
const SLEPT_MS = 10_000;
const ANSWER_AFTER_SLEEP_MS = 3_000;
const CONNECT_TIMEOUT_MS = 10_000;
const ASK_AGAIN_MS = 2_000;

export interface SocketLike {
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

export interface LiveClientOptions {
  readonly url: string;
  readonly client: { readonly name: string; readonly version: string };
  /** A token that is good now; `isExpired`: the last one was refused for its age. A rejection is tried again later. */
  readonly token: (isExpired: boolean) => Promise<string>;
  readonly clock: Clock;
  readonly environment: Environment;
  readonly random: () => number;
  readonly open: (url: string, protocol: string) => SocketLike;
  /** What a sink threw, and frames that could not be read. */
  readonly report: (error: unknown) => void;
}

export type Phase = "idle" | "connecting" | "open" | "waiting" | "offline" | "stopped";

/** What is known of the line. Times are the client's clock. */
export interface Connection {
  readonly phase: Phase;
  readonly user: UserInfo | undefined;
  /** Why the server wants us to stop; set in the phase `stopped`. */
  readonly stop: { readonly code: number; readonly reason: string } | undefined;
  readonly retryAt: number | undefined;
  /** How many times the line came up. */
  readonly opened: number;
}

/** What a reconnect brought back. */
export interface Resync {
  readonly at: number;
  readonly points: number;
}

/**
 * The client of the live socket. Guaranteed: an offset is stored only after its frame was applied; every subscription
 * survives every connection; no request leaves faster than the protocol allows. It never throws into its caller.
 */
export class LiveClient {
  readonly connection = new Signal<Connection>({
    phase: "idle",
    user: undefined,
    stop: undefined,
    retryAt: undefined,
    opened: 0,
  });
  readonly resync = new Signal<Resync | undefined>(undefined);

  readonly #options: LiveClientOptions;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #requests = new Map<number, Subscription | undefined>();
  #nextId = 1;
  #nextName = 1;
  #socket: SocketLike | undefined;
  #sender: PacedSender | undefined;
  #cancels: (() => void)[] = [];
  #cancelRetry: (() => void) | undefined;
  #attempt = 0;
  #openedAt = 0;
  #heardAt = 0;
  #pingedAt = 0;
  #watchedAt = 0;
  #heartbeatMs = 15_000;
  #hiddenSince: number | undefined;
  #isPaused = false;
  #isTokenExpired = false;
  #mustAnswerBy: number | undefined;
  #bye: ByeFrame | undefined;
  #clockOffset = 0;
  #lostAt: number | undefined;
  #recovered = 0;

  constructor(options: LiveClientOptions) {
    this.#options = options;
  }

  /** The server's time, by its last word. */
  serverNow(): number {
    return this.#options.clock.now() + this.#clockOffset;
  }

  /** When the last frame came; 0 before the first. */
  get heardAt(): number {
    return this.#heardAt;
  }

  start(): void {
    if (this.#cancels.length > 0) return;
    const { clock, environment } = this.#options;
    this.#watchedAt = clock.now();
    this.#cancels = [
      every(clock, WATCH_MS, () => {
        this.#watch();
      }),
      environment.onChange(() => {
        this.#environmentChanged();
      }),
    ];
    this.#attempt = 0;
    this.#connect();
  }

  stop(): void {
    for (const cancel of this.#cancels) cancel();
    this.#cancels = [];
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    this.#drop();
    this.#say({ phase: "idle", user: undefined, stop: undefined, retryAt: undefined });
  }

  /** Try now instead of at the time that the backoff gave. */
  retryNow(): void {
    if (this.#cancels.length === 0) {
      this.start();
    } else if (this.#socket === undefined) {
      this.#attempt = 0;
      this.#connect();
    }
  }

  subscribe(request: SubscriptionRequest, sink: SubscriptionSink): LiveSubscription {
    const name = `s${String(this.#nextName++)}`;
    const subscription = new Subscription(name, request, sink, request.intervalMs);
    this.#subscriptions.set(name, subscription);
    if (this.#isOpen) this.#ask(subscription);
    return {
      status: subscription.status,
      get position() {
        return subscription.position;
      },
      tune: (intervalMs) => {
        if (subscription.intervalMs === intervalMs) return;
        subscription.intervalMs = intervalMs;
        if (subscription.isAsked) this.#send({ type: "tune", id: this.#id(subscription), sub: name, interval_ms: intervalMs });
      },
      close: () => {
        if (!this.#subscriptions.delete(name)) return;
        if (subscription.isAsked) this.#send({ type: "unsubscribe", id: this.#id(undefined), sub: name });
      },
    };
  }

  /** Hand over a new token before the old one ends. */
  renewToken(token: string): void {
    if (this.#isOpen) this.#send({ type: "auth_refresh", id: this.#id(undefined), token });
  }

  /** Count points that a page fetched to fill a gap. */
  noteRecovered(points: number): void {
    const last = this.resync.get();
    if (last !== undefined) this.resync.set({ at: last.at, points: last.points + points });
  }

  get #isOpen(): boolean {
    return this.connection.get().phase === "open";
  }

  #say(change: Partial<Connection>): void {
    this.connection.set({ ...this.connection.get(), ...change });
  }

  #id(subscription: Subscription | undefined): number {
    const id = this.#nextId++;
    this.#requests.set(id, subscription);
    return id;
  }

  #send(frame: ClientFrame): void {
    this.#sender?.put(JSON.stringify(frame));
  }

  #connect(): void {
    const { clock, environment, open, url } = this.#options;
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    if (!environment.isOnline()) {
      this.#say({ phase: "offline", retryAt: undefined });
      return;
    }
    this.#say({ phase: "connecting", retryAt: undefined, stop: undefined });
    let socket: SocketLike;
    try {
      socket = open(url, SUBPROTOCOL);
    } catch (error) {
      this.#options.report(error);
      this.#retry(0);
      return;
    }
    this.#socket = socket;
    this.#bye = undefined;
    this.#sender = new PacedSender(clock, (text) => {
      socket.send(text);
    });
    this.#heardAt = clock.now();
    socket.onmessage = (event) => {
      if (this.#socket === socket) this.#receive(event.data);
    };
    socket.onclose = (event) => {
      if (this.#socket === socket) this.#closed(event.code, event.reason);
    };
  }

  /** Let go of the socket without waiting for its goodbye: on a dead line that takes a minute. */
  #drop(): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    this.#socket = undefined;
    this.#sender?.close();
    this.#sender = undefined;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close(CLOSE_BY_CLIENT);
    this.#lineLost();
  }

  #lineLost(): void {
    if (this.#isOpen) {
      this.#lostAt ??= this.serverNow();
      if (this.#options.clock.now() - this.#openedAt >= GOOD_AFTER_MS) this.#attempt = 0;
    }
    this.#requests.clear();
    this.#mustAnswerBy = undefined;
    for (const subscription of this.#subscriptions.values()) subscription.lineLost();
  }

  #closed(code: number, reason: string): void {
    this.#socket = undefined;
    this.#sender?.close();
    this.#sender = undefined;
    this.#lineLost();
    // Where a proxy swallowed the code, the server's goodbye still tells.
    const said = this.#bye;
    const why = code >= 4000 ? code : (said?.code ?? code);
    if (why === CLOSE_TOKEN_EXPIRED) this.#isTokenExpired = true;
    const verdict = closeVerdict(why);
    if (verdict === "stop") {
      for (const cancel of this.#cancels) cancel();
      this.#cancels = [];
      this.#say({ phase: "stopped", stop: { code: why, reason: said?.reason ?? reason }, retryAt: undefined });
      return;
    }
    this.#retry(Math.max(verdict === "mend" ? MEND_FLOOR_MS : 0, said?.retry_after_ms ?? 0));
  }

  #retry(atLeastMs: number): void {
    const { clock, random } = this.#options;
    const wait = Math.max(atLeastMs, backoffMs(this.#attempt, random));
    this.#attempt += 1;
    this.#say({ phase: "waiting", retryAt: clock.now() + wait });
    this.#cancelRetry = clock.after(wait, () => {
      this.#connect();
    });
  }

  #environmentChanged(): void {
    const { clock, environment } = this.#options;
    if (!environment.isOnline()) {
      this.#cancelRetry?.();
      this.#drop();
      this.#say({ phase: "offline", retryAt: undefined });
      return;
    }
    if (environment.isVisible()) {
      this.#hiddenSince = undefined;
      this.#pause(false);
      if (this.#socket === undefined) {
        this.#attempt = 0;
        this.#connect();
      } else {
        this.#watch();
      }
    } else {
      this.#hiddenSince ??= clock.now();
    }
  }

  #watch(): void {
    const now = this.#options.clock.now();
    const slept = now - this.#watchedAt > SLEPT_MS;
    this.#watchedAt = now;
    if (this.#hiddenSince !== undefined && now - this.#hiddenSince >= PAUSE_AFTER_HIDDEN_MS) this.#pause(true);
    const phase = this.connection.get().phase;
    if (phase === "offline" && this.#options.environment.isOnline()) {
      this.#connect();
      return;
    }
    if (this.#socket === undefined) {
      if (slept && phase === "waiting") this.#connect();
      return;
    }
    const silence = now - this.#heardAt;
    const isDead =
      phase === "connecting"
        ? silence > CONNECT_TIMEOUT_MS
        : silence > DEAD_AFTER_HEARTBEATS * this.#heartbeatMs ||
          (this.#mustAnswerBy !== undefined && now > this.#mustAnswerBy);
    if (isDead) {
      this.#drop();
      // After a sleep, or hours of silence, the first attempt is made at once.
      this.#connect();
      return;
    }
    if (phase !== "open") return;
    if (slept) this.#mustAnswerBy = now + ANSWER_AFTER_SLEEP_MS;
    if (slept || (silence >= PING_AFTER_MS && now - this.#pingedAt >= PING_AFTER_MS && !this.#isPaused)) {
      this.#pingedAt = now;
      this.#send({ type: "ping", id: this.#id(undefined) });
    }
  }

  #pause(paused: boolean): void {
    if (paused === this.#isPaused) return;
    this.#isPaused = paused;
    for (const subscription of this.#subscriptions.values()) {
      if (subscription.isAsked) this.#tunePaused(subscription);
    }
  }

  #tunePaused(subscription: Subscription): void {
    this.#send({ type: "tune", id: this.#id(subscription), sub: subscription.name, paused: this.#isPaused });
  }

  #ask(subscription: Subscription): void {
    const { topic, filter, snapshot } = subscription.request;
    subscription.isAsked = true;
    this.#send({
      type: "subscribe",
      id: this.#id(subscription),
      sub: subscription.name,
      topic,
      ...(filter === undefined ? {} : { filter }),
      ...(subscription.intervalMs === undefined ? {} : { interval_ms: subscription.intervalMs }),
      ...(subscription.position === undefined ? {} : { since: subscription.position }),
      ...(snapshot === undefined ? {} : { snapshot }),
    } as ClientFrame);
    if (this.#isPaused) this.#tunePaused(subscription);
  }

  async #authenticate(): Promise<void> {
    const socket = this.#socket;
    let token: string;
    try {
      token = await this.#options.token(this.#isTokenExpired);
    } catch {
      // Whoever keeps the tokens knows why, and ends the session if it is over.
      if (this.#socket !== socket) return;
      this.#drop();
      this.#retry(MEND_FLOOR_MS);
      return;
    }
    if (this.#socket !== socket) return;
    this.#isTokenExpired = false;
    const { name, version } = this.#options.client;
    this.#send({ type: "auth", id: this.#id(undefined), token, client: { name, version }, features: ["batch"] });
  }

  #receive(data: unknown): void {
    this.#heardAt = this.#options.clock.now();
    this.#mustAnswerBy = undefined;
    try {
      for (const frame of readFrames(String(data))) {
        if (this.#socket === undefined) return;
        this.#handle(frame);
      }
    } catch (error) {
      this.#options.report(error);
    }
  }

  #handle(frame: ServerFrame): void {
    switch (frame.type) {
      case "hello":
        this.#setClock(frame.server_time);
        void this.#authenticate();
        return;
      case "ready":
        this.#ready(frame);
        return;
      case "ack":
        this.#acknowledged(frame);
        return;
      case "error":
        this.#refused(frame);
        return;
      case "hb":
        this.#setClock(frame.server_time);
        for (const [name, offset] of Object.entries(frame.pos)) this.#subscriptions.get(name)?.advance(offset);
        this.#settleResync();
        return;
      case "pong":
        this.#requests.delete(frame.id);
        this.#setClock(frame.server_time);
        return;
      case "user":
        this.#say({ user: frame.user });
        return;
      case "token_expiring":
        void this.#renew();
        return;
      case "bye":
        this.#bye = frame;
        return;
      case "snapshot":
      case "data":
      case "state":
      case "event":
      case "gap":
        this.#apply(frame);
        return;
      case "unsubscribed": {
        const subscription = this.#subscriptions.get(frame.sub);
        if (subscription === undefined) return;
        subscription.isAsked = false;
        this.#refuse(subscription, frame.code, frame.retryable, null);
        return;
      }
      default:
      // A newer server may say more than we know.
    }
  }

  #setClock(serverTime: number): void {
    this.#clockOffset = serverTime - this.#options.clock.now();
  }

  async #renew(): Promise<void> {
    try {
      this.renewToken(await this.#options.token(true));
    } catch {
      // The server closes with 4101 when it comes to that, and the next connection asks again.
    }
  }

  #ready(frame: ReadyFrame): void {
    this.#heartbeatMs = frame.heartbeat_ms;
    this.#openedAt = this.#options.clock.now();
    this.#recovered = 0;
    this.#requests.delete(frame.id);
    this.#say({ phase: "open", user: frame.user, retryAt: undefined, opened: this.connection.get().opened + 1 });
    for (const subscription of this.#subscriptions.values()) this.#ask(subscription);
  }

  #acknowledged(frame: AckFrame): void {
    const subscription = this.#requests.get(frame.id);
    this.#requests.delete(frame.id);
    if (subscription !== undefined && this.#subscriptions.has(subscription.name)) subscription.started(frame);
  }

  #refused(frame: ErrorFrame): void {
    if (frame.id === null) return;
    const subscription = this.#requests.get(frame.id);
    this.#requests.delete(frame.id);
    if (subscription === undefined || !this.#subscriptions.has(subscription.name)) return;
    if (subscription.status.get().kind === "live") return;
    subscription.isAsked = false;
    this.#refuse(subscription, frame.code, frame.retryable, frame.retry_after_ms);
  }

  #refuse(subscription: Subscription, code: ErrorFrame["code"], isRetryable: boolean, afterMs: number | null): void {
    subscription.status.set({ kind: "refused", code, isRetryable });
    if (!isRetryable) return;
    this.#options.clock.after(afterMs ?? ASK_AGAIN_MS, () => {
      if (this.#isOpen && !subscription.isAsked && this.#subscriptions.has(subscription.name)) this.#ask(subscription);
    });
  }

  #apply(frame: Extract<ServerFrame, { type: "snapshot" | "data" | "state" | "event" | "gap" }>): void {
    const subscription = this.#subscriptions.get(frame.sub);
    if (subscription === undefined) return;
    const { sink } = subscription;
    try {
      if (frame.type === "snapshot") {
        subscription.applySnapshot(frame);
        return;
      }
      if (frame.type === "gap") {
        sink.gap?.(frame);
        return;
      }
      if (frame.type === "data") {
        sink.data?.(frame);
        if (this.#lostAt !== undefined) this.#countRecovered(frame.rows.map((row) => row[2]));
      } else if (frame.type === "state") {
        sink.state?.(frame);
      } else {
        sink.events?.(frame);
        if (this.#lostAt !== undefined) this.#countRecovered(frame.items.map((item) => item.ts));
      }
    } catch (error) {
      this.#options.report(error);
      return;
    }
    subscription.advance(frame.offset);
    this.#settleResync();
  }

  /** What happened while we were away counts as recovered; what comes now does not. */
  #countRecovered(times: number[]): void {
    const until = this.#openedAt + this.#clockOffset;
    this.#recovered += times.filter((ts) => ts <= until).length;
  }

  /** The first data after every subscription was answered: we are where we would have been. */
  #settleResync(): void {
    if (this.#lostAt === undefined || !this.#isOpen) return;
    for (const subscription of this.#subscriptions.values()) {
      if (subscription.status.get().kind === "waiting") return;
    }
    this.#lostAt = undefined;
    this.resync.set({ at: this.#options.clock.now(), points: this.#recovered });
  }
}
