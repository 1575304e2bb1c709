import { describe, expect, it } from "vitest";
import { EventLog, Flush, freshness, KeyedStore, Series, TelemetryStore } from "../src";

const now = (run: () => void): void => {
  run();
};

describe("a flush", () => {
  it("tells each listener once a frame, however many messages came", () => {
    const frames: (() => void)[] = [];
    const flush = new Flush((run) => frames.push(run));
    let told = 0;
    flush.listen("a", () => (told += 1));
    for (let index = 0; index < 1_000; index += 1) flush.mark("a");
    expect(frames).toHaveLength(1);
    frames[0]?.();
    expect(told).toBe(1);
  });

  it("forgets a listener that left, and keeps the others", () => {
    const flush = new Flush(now);
    const heard: string[] = [];
    const off = flush.listen("a", () => heard.push("first"));
    flush.listen("a", () => heard.push("second"));
    off();
    flush.mark("a");
    expect(heard).toEqual(["second"]);
  });
});

describe("latest values", () => {
  it("take the newest timestamp, whatever comes when, and twice is harmless", () => {
    const store = new TelemetryStore(now, () => 10_000);
    store.apply([["d", "m", 2_000, 2, "good"]]);
    store.apply([["d", "m", 1_000, 1, "good"]]);
    const sample = store.sample("d", "m");
    expect(sample?.value).toBe(2);
    store.apply([["d", "m", 2_000, 2, "good"]]);
    expect(store.sample("d", "m")?.value).toBe(2);
  });

  it("are never newer than the moment they came", () => {
    const store = new TelemetryStore(now, () => 5_000);
    store.apply([["d", "m", 9_000, 1, "good"]]);
    expect(store.sample("d", "m")?.seenAt).toBe(5_000);
  });

  it("learn the interval, and forgive an outage", () => {
    const store = new TelemetryStore(now, () => 1_000_000);
    for (let index = 0; index < 8; index += 1) store.apply([["d", "m", index * 100, index, "good"]]);
    store.apply([["d", "m", 60_000, 1, "good"]]);
    expect(store.sample("d", "m")?.intervalMs).toBe(100);
  });

  it("are forgotten with their device", () => {
    const store = new TelemetryStore(now, () => 0);
    store.apply([["d", "m", 1, 1, "good"], ["e", "m", 1, 1, "good"]]);
    store.forget("d");
    expect(store.devices()).toEqual(["e"]);
    expect(store.sample("d", "m")).toBeUndefined();
  });
});

describe("a series", () => {
  it("keeps order and uniqueness, whatever order readings come in", () => {
    const series = new Series();
    const order = [5, 1, 4, 2, 3, 5, 2, 9, 7, 8, 6, 1];
    for (const ts of order) series.add(ts * 100, ts);
    expect([...series.times]).toEqual([100, 200, 300, 400, 500, 600, 700, 800, 900]);
    expect([...series.values]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("is bounded, and keeps the newest", () => {
    const series = new Series();
    for (let ts = 1; ts <= 40_000; ts += 1) series.add(ts, ts);
    expect(series.length).toBe(8_192);
    expect(series.last).toBe(40_000);
    expect(series.times[0]).toBe(40_000 - 8_191);
  });

  it("counts what a refill brought, and closes the gap", () => {
    const series = new Series();
    for (const ts of [1_000, 2_000, 3_000, 9_000, 10_000]) series.add(ts, 1);
    expect(series.gaps({ from: 0, to: 10_500 })).toEqual([{ from: 3_000, to: 9_000 }]);
    expect(series.fill([3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 9_000], [1, 1, 1, 1, 1, 1, 1])).toBe(5);
    expect(series.gaps({ from: 0, to: 10_500 })).toEqual([]);
  });

  it("has a gap up to now when nothing came lately", () => {
    const series = new Series();
    for (const ts of [1_000, 2_000, 3_000]) series.add(ts, 1);
    expect(series.gaps({ from: 0, to: 60_000 })).toEqual([{ from: 3_000, to: 60_000 }]);
  });

  it("sees no gap between points that were thinned", () => {
    const series = new Series();
    for (let index = 0; index < 9; index += 1) series.add(100_000 + index * 100, 1);
    series.fill([0, 10_000, 20_000, 30_000], [1, 1, 1, 1], 30_000);
    expect(series.gaps({ from: 0, to: 100_800 })).toEqual([]);
  });
});

describe("a log", () => {
  it("has each event once, the newest first, and a bound", () => {
    const log = new EventLog(now);
    const told: number[] = [];
    log.onEvents((items) => told.push(items.length));
    const item = (id: number) => ({ id: String(id), ts: id, kind: "alarm", data: {} });
    const frame = (...ids: number[]) => ({ type: "event" as const, sub: "s", offset: "1-0", items: ids.map(item) });
    log.sink.events?.(frame(1, 2));
    log.sink.events?.(frame(2, 3));
    log.sink.events?.(frame(3));
    expect(log.items().map((one) => one.id)).toEqual(["3", "2", "1"]);
    expect(told).toEqual([2, 1]);
    log.sink.events?.(frame(...Array.from({ length: 600 }, (_, index) => index + 10)));
    expect(log.items()).toHaveLength(500);
  });
});

describe("keyed state", () => {
  it("gives the same map until something changed", () => {
    const store = new KeyedStore<number>(now, () => 1);
    store.replace(new Map([["a", 1]]));
    const before = store.all();
    expect(store.all()).toBe(before);
    store.sink.state?.({ type: "state", sub: "s", offset: "1-0", set: { b: {} }, del: [] });
    expect(store.all()).not.toBe(before);
    expect(before.size).toBe(1);
  });

  it("says which key went", () => {
    const gone: string[] = [];
    const store = new KeyedStore<number>(now, () => 1, (key) => gone.push(key));
    store.replace(new Map([["a", 1], ["b", 2]]));
    store.replace(new Map([["b", 2]]));
    expect(gone).toEqual(["a"]);
  });
});

describe("freshness", () => {
  it("is fresh below twice the interval, then ageing, then stale; an offline device has none", () => {
    expect(freshness(19_999, 10_000, false)).toBe("fresh");
    expect(freshness(20_000, 10_000, false)).toBe("ageing");
    expect(freshness(60_000, 10_000, false)).toBe("stale");
    expect(freshness(0, 10_000, true)).toBe("offline");
  });

  it("does not flicker for a fast series", () => {
    expect(freshness(900, 100, false)).toBe("fresh");
  });
});
