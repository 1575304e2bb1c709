import { expect, test } from "vitest";
import type { Channel, ChannelDraft } from "./channel-draft";
import { channelDraftOf, newChannelDraft, newKey, readChannelDraft } from "./channel-draft";

const CHANNEL: Channel = {
  id: "1", name: "Night shift", kind: "email", is_enabled: true,
  filter: { severities: ["critical"], kinds: ["raised"], groups: ["boilers"], rule_ids: [] },
  recipients: ["a@example.org", "b@example.org"], url_origin: null, gather_seconds: 60,
  rate_limit: { messages: 20, seconds: 3_600 },
  quiet_hours: { start: "22:00", end: "06:30", days: [4, 5], critical_passes: false },
  time_zone: "Europe/Vienna", version: 2, created_at: "", updated_at: "", updated_by_name: null,
};

const faults = (change: Partial<ChannelDraft>, isNew = true): unknown => {
  const read = readChannelDraft({ ...newChannelDraft("UTC"), name: "x", ...change }, isNew);
  return "faults" in read ? read.faults : {};
};

test("a channel comes out of its form as it went in", () => {
  expect(readChannelDraft(channelDraftOf(CHANNEL), false)).toEqual({
    body: {
      kind: "email", name: "Night shift", is_enabled: true, filter: CHANNEL.filter, recipients: CHANNEL.recipients, gather_seconds: 60,
      rate_limit: CHANNEL.rate_limit, quiet_hours: CHANNEL.quiet_hours, time_zone: "Europe/Vienna",
    },
  });
});

test("secrets that are not typed are not sent", () => {
  const draft = channelDraftOf({ ...CHANNEL, kind: "webhook", recipients: [], url_origin: "https://example.org" });
  const read = readChannelDraft(draft, false);
  expect("body" in read && ("url" in read.body || "key" in read.body)).toBe(false);
});

test("a new webhook needs both of its secrets, and a key that is one", () => {
  expect(faults({ kind: "webhook" })).toEqual({ url: "missing", key: "missing" });
  expect(faults({ kind: "webhook", url: "not a url", key: "secret" })).toEqual({ url: "bad_url", key: "bad_key" });
  expect(faults({ kind: "webhook", url: "https://example.org/hook", key: newKey() })).toEqual({});
});

test("addresses, times and limits are checked where they are typed", () => {
  expect(faults({ recipients: "" })).toEqual({ recipients: "missing" });
  expect(faults({ recipients: "a@example.org\nnobody" })).toEqual({ recipients: "bad_address" });
  expect(faults({ recipients: "a@example.org", limitMessages: "0" })).toEqual({ limitMessages: "out_of_range" });
  expect(faults({ recipients: "a@example.org", hasQuiet: true, quietDays: [], quietEnd: "22:00" })).toEqual({
    quietDays: "no_day", quietEnd: "same_times",
  });
  expect(faults({ kind: "mqtt", recipients: "" })).toEqual({});
});
