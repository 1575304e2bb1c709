/**
 * A gateway in this process that speaks `precisionpulse.v1`, over sockets that are only two callbacks. Ships beside the
 * client, for tests of whatever uses it; the contract test holds every frame that it and the client send to the schema.
 */
import type { Clock, Environment, SocketLike } from "../src";
import type { ClientFrame, ServerFrame } from "../src/frames";

type Sent = ClientFrame & { readonly id: number } & Record<string, unknown>;

/** A clock that moves when it is told to. */
export class FakeClock implements Clock {
  #now = 1_800_000_000_000;
  #due: { readonly at: number; readonly run: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const one = { at: this.#now + ms, run };
    this.#due.push(one);
    return () => {
      this.#due = this.#due.filter((other) => other !== one);
    };
  }

  /** Let time pass, and run what falls due, in order. */
  pass(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const [next] = this.#due.filter((one) => one.at <= until).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#due = this.#due.filter((one) => one !== next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
    this.#now = until;
  }

  /** The machine sleeps: time passes and no timer runs until it wakes. */
  sleep(ms: number): void {
    this.#now += ms;
  }
}

/** A page that is seen and online until a test says otherwise. */
export class FakeEnvironment implements Environment {
  #visible = true;
  #online = true;
  readonly #listeners = new Set<() => void>();

  isVisible = (): boolean => this.#visible;
  isOnline = (): boolean => this.#online;

  onChange = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };

  become(state: { readonly visible?: boolean; readonly online?: boolean }): void {
    this.#visible = state.visible ?? this.#visible;
    this.#online = state.online ?? this.#online;
    for (const listener of this.#listeners) listener();
  }
}

export class FakeSocket implements SocketLike {
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  readonly sent: Sent[] = [];
  isOpen = true;

  constructor(private readonly server: FakeServer) {}

  send(text: string): void {
    const frame = JSON.parse(text) as Sent;
    this.sent.push(frame);
    this.server.seen.push(frame);
    this.server.receive(this, frame);
  }

  close(): void {
    this.isOpen = false;
  }

  /** Tell the client something. */
  say(...frames: Partial<ServerFrame>[]): void {
    for (const frame of frames) this.server.said.push(frame);
    const [only] = frames;
    this.onmessage?.({ data: JSON.stringify(frames.length === 1 ? only : frames) } as MessageEvent);
  }

  /** End the connection as a server does, or with 1006 as a network does. */
  end(code: number, reason = ""): void {
    this.isOpen = false;
    if (code >= 4000) this.say({ type: "bye", code, reason, retry_after_ms: null });
    this.onclose?.({ code, reason } as CloseEvent);
  }
}

/** What a subscription is answered with. */
export interface Start {
  readonly recovered: boolean;
  readonly epoch: string;
  readonly offset: string;
}

export class FakeServer {
  readonly sockets: FakeSocket[] = [];
  readonly seen: Sent[] = [];
  readonly said: Partial<ServerFrame>[] = [];
  /** What `subscribe` is answered with; undefined: no answer. */
  start: (frame: Sent) => Start | undefined = () => ({ recovered: false, epoch: "e1", offset: "10-0" });
  answersPing = true;
  permissions = ["devices:read"];

  constructor(private readonly clock: FakeClock) {}

  readonly open = (): SocketLike => {
    const socket = new FakeSocket(this);
    this.sockets.push(socket);
    return socket;
  };

  get socket(): FakeSocket {
    const last = this.sockets.at(-1);
    if (last === undefined) throw new Error("nobody connected yet");
    return last;
  }

  greet(): void {
    this.socket.say({
      type: "hello", protocol: "precisionpulse.v1", server: "fake", server_time: this.clock.now(), conn: "c1", auth_timeout_ms: 10_000,
    });
  }

  /** Frames of one type that were received. */
  of(type: ClientFrame["type"]): Sent[] {
    return this.seen.filter((frame) => frame.type === type);
  }

  receive(socket: FakeSocket, frame: Sent): void {
    if (frame.type === "auth") {
      socket.say({
        type: "ready", id: frame.id, token_expires_in: 600, heartbeat_ms: 15_000,
        user: { id: "00000000-0000-4000-8000-000000000001", username: "anna", roles: ["admin"], permissions: this.permissions },
        limits: { max_frame_bytes: 65_536, messages_per_s: 10, burst: 30, subscriptions: 32, device_ids: 200, connections_per_user: 10 },
      });
    } else if (frame.type === "ping" && this.answersPing) {
      socket.say({ type: "pong", id: frame.id, server_time: this.clock.now() });
    } else if (frame.type === "subscribe") {
      const start = this.start(frame);
      if (start !== undefined) socket.say(ack(frame.id, frame.sub, start));
    } else if (frame.type === "tune" || frame.type === "unsubscribe" || frame.type === "auth_refresh") {
      socket.say(ack(frame.id, frame.type === "auth_refresh" ? null : frame.sub, undefined));
    }
  }
}

function ack(id: number, sub: string | null, start: Start | undefined): Partial<ServerFrame> {
  return {
    type: "ack", id, sub, topic: null, epoch: start?.epoch ?? null, offset: start?.offset ?? null,
    recovered: start?.recovered ?? null, interval_ms: null, columns: null, token_expires_in: null,
  };
}
