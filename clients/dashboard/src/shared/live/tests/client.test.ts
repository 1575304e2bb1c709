import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020";
import { beforeEach, describe, expect, it } from "vitest";
import { KeyedStore, LiveClient, TelemetryStore } from "../src";
import type { SubscriptionSink } from "../src";
import { FakeClock, FakeEnvironment, FakeServer } from "./fake-server";

/** What was promised, and done, before the next turn of the loop. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

let clock: FakeClock;
let environment: FakeEnvironment;
let server: FakeServer;
let asked: boolean[];
let reported: unknown[];
let live: LiveClient;

beforeEach(() => {
  clock = new FakeClock();
  environment = new FakeEnvironment();
  server = new FakeServer(clock);
  asked = [];
  reported = [];
  live = new LiveClient({
    url: "ws://fake/ws/live",
    client: { name: "test", version: "1" },
    token: (isExpired) => {
      asked.push(isExpired);
      return Promise.resolve(`token-${String(asked.length)}`);
    },
    clock,
    environment,
    random: () => 0.5,
    open: server.open,
    report: (error) => reported.push(error),
  });
});

async function connect(): Promise<void> {
  server.greet();
  await settled();
}

async function started(): Promise<void> {
  live.start();
  await connect();
}

const phase = (): string => live.connection.get().phase;
const data = (sub: string, offset: string, ...rows: [string, string, number, number, string][]) =>
  ({ type: "data", sub, offset, rows, n: rows.length }) as const;

describe("signing in on the socket", () => {
  it("says auth first, and nothing before the server's hello", async () => {
    live.start();
    live.subscribe({ topic: "devices" }, {});
    expect(server.seen).toEqual([]);
    await connect();
    expect(server.seen.map((frame) => frame.type)).toEqual(["auth", "subscribe"]);
    expect(phase()).toBe("open");
  });

  it("renews the token in band when the server warns", async () => {
    await started();
    server.socket.say({ type: "token_expiring", expires_in: 60 });
    await settled();
    expect(server.of("auth_refresh")).toMatchObject([{ token: "token-2" }]);
    expect(asked).toEqual([false, true]);
    expect(server.sockets).toHaveLength(1);
  });

  it("knows the rights that the server tells in between", async () => {
    await started();
    const user = live.connection.get().user!;
    server.socket.say({ type: "user", user: { ...user, permissions: [] } });
    expect(live.connection.get().user?.permissions).toEqual([]);
    expect(phase()).toBe("open");
  });

  it("asks for another token after 4101, and not before a second has passed", async () => {
    await started();
    server.socket.end(4101, "token expired");
    clock.pass(999);
    expect(server.sockets).toHaveLength(1);
    clock.pass(1);
    await connect();
    expect(asked).toEqual([false, true]);
    expect(phase()).toBe("open");
  });
});

describe("a close by its range", () => {
  it.each([4000, 4001, 4003, 4006, 4009, 4010])("%i stops and says why", async (code) => {
    await started();
    server.socket.end(code, "because");
    clock.pass(3_600_000);
    expect(server.sockets).toHaveLength(1);
    expect(live.connection.get()).toMatchObject({ phase: "stopped", stop: { code, reason: "because" } });
  });

  it.each([4200, 4201, 4202, 4203, 4204, 1006])("%i comes back by itself", async (code) => {
    await started();
    server.socket.end(code);
    expect(phase()).toBe("waiting");
    clock.pass(15_000);
    expect(server.sockets.length).toBeGreaterThan(1);
  });

  it("waits longer each time, with jitter, and never more than 15 s", () => {
    live.start();
    const waits: number[] = [];
    for (let turn = 0; turn < 13; turn += 1) {
      server.socket.end(1006);
      const { retryAt } = live.connection.get();
      waits.push(Math.round((retryAt ?? 0) - clock.now()));
      clock.pass(15_000);
    }
    expect(waits).toEqual([250, 350, 490, 686, 960, 1345, 1882, 2635, 3689, 5165, 7231, 7500, 7500]);
  });

  it("keeps to the time that the server gives", async () => {
    await started();
    server.socket.say({ type: "bye", code: 4200, reason: "restart", retry_after_ms: 9_000 });
    server.socket.onclose?.({ code: 4200, reason: "" } as CloseEvent);
    expect((live.connection.get().retryAt ?? 0) - clock.now()).toBe(9_000);
  });
});

describe("resume", () => {
  it("goes on from the last applied frame", async () => {
    const seen: number[] = [];
    live.subscribe({ topic: "telemetry.raw" }, { data: (frame) => seen.push(frame.rows.length) });
    await started();
    server.socket.say(data("s1", "11-0", ["d", "m", 1, 1, "good"]), data("s1", "12-0", ["d", "m", 2, 2, "good"]));
    server.socket.end(1006);
    clock.pass(15_000);
    server.start = () => ({ recovered: true, epoch: "e1", offset: "99-0" });
    await connect();
    expect(server.of("subscribe").at(-1)).toMatchObject({ since: { epoch: "e1", offset: "12-0" } });
    // The line breaks again before the replay came: the ack's offset is not where we are.
    server.socket.end(1006);
    clock.pass(15_000);
    await connect();
    expect(server.of("subscribe").at(-1)).toMatchObject({ since: { epoch: "e1", offset: "12-0" } });
  });

  it("does not store the offset of a frame that could not be applied", async () => {
    const sink: SubscriptionSink = {
      data: (frame) => {
        if (frame.offset === "12-0") throw new Error("no");
      },
    };
    const subscription = live.subscribe({ topic: "telemetry.raw" }, sink);
    await started();
    server.socket.say(data("s1", "11-0", ["d", "m", 1, 1, "good"]));
    server.socket.say(data("s1", "12-0", ["d", "m", 2, 2, "good"]));
    expect(subscription.position).toEqual({ epoch: "e1", offset: "11-0" });
    expect(reported).toHaveLength(1);
  });

  it("forgets a half-read snapshot, and takes a whole one for everything there is", async () => {
    const store = new KeyedStore<{ name: string }>((run) => run(), () => clock.now());
    const subscription = live.subscribe({ topic: "devices" }, store.sink);
    await started();
    const page = (number: number, last: boolean, set: Record<string, { name: string }>) =>
      ({ type: "snapshot", sub: "s1", epoch: "e1", offset: "10-0", page: number, last, rows: null, set }) as const;
    server.socket.say(page(0, false, { a: { name: "A" } }));
    server.socket.end(1006);
    expect(subscription.position).toBeUndefined();
    clock.pass(15_000);
    await connect();
    expect(server.of("subscribe").at(-1)).not.toHaveProperty("since");
    server.socket.say(page(0, false, { b: { name: "B" } }), page(1, true, { c: { name: "C" } }));
    expect([...store.all().keys()]).toEqual(["b", "c"]);
    expect(subscription.position).toEqual({ epoch: "e1", offset: "10-0" });
    server.socket.say({ type: "state", sub: "s1", offset: "11-0", set: { d: { name: "D" } }, del: ["b"] });
    expect([...store.all().keys()]).toEqual(["c", "d"]);
  });

  it("lets a heartbeat advance what is quiet", async () => {
    const subscription = live.subscribe({ topic: "alerts" }, {});
    await started();
    server.socket.say({ type: "hb", server_time: clock.now(), pos: { s1: "77-0" } });
    expect(subscription.position).toEqual({ epoch: "e1", offset: "77-0" });
  });

  it("says once how much came back", async () => {
    live.subscribe({ topic: "telemetry.raw" }, {});
    await started();
    const missed = clock.now() + 1_000;
    server.socket.end(1006);
    clock.pass(15_000);
    server.start = () => ({ recovered: true, epoch: "e1", offset: "12-0" });
    await connect();
    server.socket.say(data("s1", "11-0", ["d", "m", missed, 1, "good"], ["d", "m", missed + 1, 2, "good"]));
    expect(live.resync.get()).toMatchObject({ points: 2 });
    server.socket.say(data("s1", "12-0", ["d", "m", clock.now() + 5, 3, "good"]));
    expect(live.resync.get()).toMatchObject({ points: 2 });
  });
});

describe("a line that says nothing", () => {
  it("is asked once a second, and given up after 2.5 heartbeats", async () => {
    await started();
    server.answersPing = false;
    clock.pass(37_000);
    expect(server.sockets).toHaveLength(1);
    expect(server.of("ping").length).toBeGreaterThan(30);
    clock.pass(1_500);
    expect(server.sockets).toHaveLength(2);
  });

  it("is not asked while it speaks", async () => {
    await started();
    for (let turn = 0; turn < 20; turn += 1) {
      clock.pass(400);
      server.socket.say({ type: "hb", server_time: clock.now(), pos: {} });
    }
    expect(server.of("ping")).toEqual([]);
  });

  it("ends right after a night's sleep, without a press of a key", async () => {
    live.subscribe({ topic: "devices" }, {});
    await started();
    server.answersPing = false;
    clock.sleep(8 * 3_600_000);
    clock.pass(500);
    expect(server.sockets).toHaveLength(2);
    await connect();
    expect(phase()).toBe("open");
    expect(server.of("subscribe")).toHaveLength(2);
  });

  it("is given three seconds to answer after a short sleep", async () => {
    await started();
    server.answersPing = false;
    clock.sleep(12_000);
    clock.pass(500);
    expect(server.of("ping")).toHaveLength(1);
    clock.pass(4_000);
    expect(server.sockets).toHaveLength(2);
  });
});

describe("the page around it", () => {
  it("lets go when the network goes, and is there at once when it comes", async () => {
    await started();
    environment.become({ online: false });
    expect(phase()).toBe("offline");
    clock.pass(60_000);
    expect(server.sockets).toHaveLength(1);
    environment.become({ online: true });
    expect(server.sockets).toHaveLength(2);
  });

  it("does not wait for the backoff when it becomes visible", async () => {
    await started();
    environment.become({ visible: false });
    server.socket.end(1006);
    environment.become({ visible: true });
    expect(server.sockets).toHaveLength(2);
  });

  it("pauses after 30 s in the background, and goes on when it is seen", async () => {
    live.subscribe({ topic: "telemetry.latest" }, {});
    await started();
    environment.become({ visible: false });
    clock.pass(29_000);
    expect(server.of("tune")).toEqual([]);
    clock.pass(2_000);
    expect(server.of("tune")).toMatchObject([{ sub: "s1", paused: true }]);
    environment.become({ visible: true });
    expect(server.of("tune").at(-1)).toMatchObject({ sub: "s1", paused: false });
  });
});

describe("requests", () => {
  it("never leave faster than the protocol allows, and all leave", async () => {
    for (let index = 0; index < 31; index += 1) live.subscribe({ topic: "devices" }, {});
    await started();
    expect(server.seen.length).toBeLessThanOrEqual(30);
    clock.pass(4_000);
    expect(server.of("subscribe")).toHaveLength(31);
  });

  it("that were refused for now are made again; others are not", async () => {
    server.start = () => undefined;
    const soon = live.subscribe({ topic: "sync" }, {});
    const never = live.subscribe({ topic: "audit" }, {});
    await started();
    const [first, second] = server.of("subscribe");
    const refusal = { type: "error", message: "", retry_after_ms: 1_000 } as const;
    server.socket.say({ ...refusal, id: first!.id, sub: "s1", code: "unavailable", retryable: true });
    server.socket.say({ ...refusal, id: second!.id, sub: "s2", code: "forbidden", retryable: false });
    expect(never.status.get()).toEqual({ kind: "refused", code: "forbidden", isRetryable: false });
    server.start = () => ({ recovered: false, epoch: "e1", offset: "1-0" });
    clock.pass(1_100);
    expect(soon.status.get()).toEqual({ kind: "live" });
    expect(server.of("subscribe")).toHaveLength(3);
  });

  it("survive what a newer server says besides", async () => {
    await started();
    server.socket.say({ type: "confetti" } as never);
    server.socket.onmessage?.({ data: "{" } as MessageEvent);
    expect(phase()).toBe("open");
    expect(reported).toHaveLength(1);
  });
});

describe("the contract", () => {
  it("holds for every frame that these tests send, in both directions", async () => {
    const document = JSON.parse(readFileSync(new URL("../../../../../../services/gateway/asyncapi.json", import.meta.url), "utf8")) as {
      components: { schemas: Record<string, object>; messages: Record<string, { payload: { $ref: string } }> };
    };
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: "asyncapi", components: document.components });
    const store = new TelemetryStore((run) => run(), () => clock.now());
    live.subscribe({ topic: "telemetry.latest", filter: { device_ids: ["d"] }, intervalMs: 250 }, store.sink).tune(500);
    await started();
    server.socket.say(data("s1", "11-0", ["d", "m", clock.now(), 1, "good"]));
    environment.become({ visible: false });
    clock.pass(31_000);
    server.socket.say({ type: "hb", server_time: clock.now(), pos: { s1: "12-0" } });
    live.renewToken("another");
    server.socket.end(4200, "restart");
    const frames = [...server.seen, ...server.said] as { type: string }[];
    expect(new Set(frames.map((frame) => frame.type)).size).toBeGreaterThanOrEqual(9);
    for (const frame of frames) {
      const reference = document.components.messages[frame.type]?.payload.$ref;
      expect(reference, frame.type).toBeDefined();
      const isValid = ajv.validate({ $ref: `asyncapi${String(reference)}` }, frame);
      expect(isValid, `${frame.type}: ${ajv.errorsText()}`).toBe(true);
    }
    expect(store.sample("d", "m")?.value).toBe(1);
  });
});
