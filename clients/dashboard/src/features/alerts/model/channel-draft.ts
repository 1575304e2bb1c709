import type { components } from "@/shared/api/generated/alerts";
import type { Severity } from "./filters";
import { WEEK } from "./rule-draft";
import { asTimeAmount, readNumber, readSeconds } from "./time-amount";
import type { TimeAmount } from "./time-amount";

type Schemas = components["schemas"];
export type Channel = Schemas["ChannelAnswer"];
export type ChannelKind = Channel["kind"];
export type ChannelBody = Schemas["EmailChannelBody"] | Schemas["WebhookChannelBody"] | Schemas["MqttChannelBody"];
export const CHANNEL_KINDS = ["email", "webhook", "mqtt"] as const satisfies readonly ChannelKind[];

/** A channel as it stands in its form. Secrets are what is typed now: the service never tells them. */
export interface ChannelDraft {
  readonly name: string;
  readonly kind: ChannelKind;
  readonly isEnabled: boolean;
  /** One address a line. */
  readonly recipients: string;
  readonly url: string;
  readonly key: string;
  readonly severities: readonly Severity[];
  readonly kinds: readonly ("raised" | "cleared")[];
  readonly groups: readonly string[];
  readonly ruleIds: readonly string[];
  readonly gather: TimeAmount;
  readonly hasLimit: boolean;
  readonly limitMessages: string;
  readonly limitSpan: TimeAmount;
  readonly hasQuiet: boolean;
  readonly quietStart: string;
  readonly quietEnd: string;
  readonly quietDays: readonly number[];
  readonly criticalPasses: boolean;
  readonly timeZone: string;
}

export type ChannelFault =
  | "missing" | "too_long" | "bad_address" | "too_many" | "not_number" | "out_of_range" | "bad_url" | "bad_key" | "no_day" | "bad_clock" | "same_times";
export type ChannelFaults = Partial<Record<keyof ChannelDraft, ChannelFault>>;

export function newChannelDraft(timeZone: string): ChannelDraft {
  return {
    name: "", kind: "email", isEnabled: true, recipients: "", url: "", key: "",
    severities: [], kinds: [], groups: [], ruleIds: [],
    gather: { amount: "30", unit: "s" }, hasLimit: true, limitMessages: "30", limitSpan: { amount: "1", unit: "h" },
    hasQuiet: false, quietStart: "22:00", quietEnd: "06:30", quietDays: WEEK, criticalPasses: true, timeZone,
  };
}

/** The form of a channel that is there; its secrets are empty, and left empty they stay what they are. */
export function channelDraftOf(channel: Channel): ChannelDraft {
  const { filter, rate_limit: limit, quiet_hours: quiet } = channel;
  const empty = newChannelDraft(channel.time_zone);
  return {
    ...empty,
    name: channel.name,
    kind: channel.kind,
    isEnabled: channel.is_enabled,
    recipients: channel.recipients.join("\n"),
    severities: filter.severities as Severity[],
    kinds: filter.kinds as ("raised" | "cleared")[],
    groups: filter.groups,
    ruleIds: filter.rule_ids,
    gather: asTimeAmount(channel.gather_seconds),
    hasLimit: limit !== null,
    ...(limit !== null && { limitMessages: String(limit.messages), limitSpan: asTimeAmount(limit.seconds) }),
    hasQuiet: quiet !== null,
    ...(quiet !== null && { quietStart: quiet.start, quietEnd: quiet.end, quietDays: quiet.days, criticalPasses: quiet.critical_passes }),
  };
}

const ADDRESS = /^[^\s@,;<>"]+@[^\s@,;<>"]+\.?[^\s@,;<>"]*$/;
const CLOCK = /^([01]\d|2[0-3]):[0-5]\d$/;
const KEY = /^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/;

function whole(text: string, low: number, high: number): number | ChannelFault {
  const value = readNumber(text);
  if (value === undefined) return text.trim() === "" ? "missing" : "not_number";
  return Number.isInteger(value) && value >= low && value <= high ? value : "out_of_range";
}

function seconds(amount: TimeAmount, low: number, high: number): number | ChannelFault {
  const value = readSeconds(amount);
  if (value === undefined) return amount.amount.trim() === "" ? "missing" : "not_number";
  return Number.isInteger(value) && value >= low && value <= high ? value : "out_of_range";
}

/** Read a form: the channel that it is, or what is wrong where. `isNew`: a webhook still needs its URL and key. */
export function readChannelDraft(
  draft: ChannelDraft,
  isNew: boolean,
): { readonly body: ChannelBody } | { readonly faults: ChannelFaults } {
  const faults: ChannelFaults = {};
  const checked = (field: keyof ChannelDraft, value: number | ChannelFault): number => {
    if (typeof value === "number") return value;
    faults[field] = value;
    return 0;
  };
  const name = draft.name.trim();
  if (name === "") faults.name = "missing";
  if (name.length > 100) faults.name = "too_long";
  const filter = {
    severities: [...draft.severities], kinds: [...draft.kinds], groups: [...draft.groups], rule_ids: [...draft.ruleIds],
  };
  const common = { name, is_enabled: draft.isEnabled, filter };
  if (draft.kind === "mqtt") {
    return Object.keys(faults).length > 0 ? { faults } : { body: { kind: draft.kind, ...common } };
  }
  const recipients = draft.recipients.split(/[\n,;]/).map((one) => one.trim()).filter((one) => one !== "");
  const [url, key] = [draft.url.trim(), draft.key.trim()];
  if (draft.kind === "email") {
    if (recipients.length === 0) faults.recipients = "missing";
    else if (recipients.length > 50) faults.recipients = "too_many";
    else if (!recipients.every((one) => ADDRESS.test(one))) faults.recipients = "bad_address";
  } else {
    if (url === "" ? isNew : !URL.canParse(url)) faults.url = url === "" ? "missing" : "bad_url";
    if (key === "" ? isNew : !KEY.test(key)) faults.key = key === "" ? "missing" : "bad_key";
  }
  const gather = checked("gather", seconds(draft.gather, 0, 3_600));
  const limit = draft.hasLimit
    ? {
        messages: checked("limitMessages", whole(draft.limitMessages, 1, 1_000)),
        seconds: checked("limitSpan", seconds(draft.limitSpan, 1, 86_400)),
      }
    : null;
  if (draft.hasQuiet) {
    if (draft.quietDays.length === 0) faults.quietDays = "no_day";
    if (!CLOCK.test(draft.quietStart)) faults.quietStart = "bad_clock";
    if (!CLOCK.test(draft.quietEnd)) faults.quietEnd = "bad_clock";
    else if (draft.quietStart === draft.quietEnd) faults.quietEnd = "same_times";
  }
  if (draft.timeZone.trim() === "") faults.timeZone = "missing";
  if (Object.keys(faults).length > 0) return { faults };
  const manners = {
    gather_seconds: gather,
    rate_limit: limit,
    quiet_hours: draft.hasQuiet
      ? { start: draft.quietStart, end: draft.quietEnd, days: [...draft.quietDays].sort(), critical_passes: draft.criticalPasses }
      : null,
    time_zone: draft.timeZone.trim(),
  };
  return {
    body:
      draft.kind === "email"
        ? { kind: draft.kind, ...common, ...manners, recipients }
        : { kind: draft.kind, ...common, ...manners, ...(url !== "" && { url }), ...(key !== "" && { key }) },
  };
}

/** A key for a webhook's signature: 32 random bytes, as Standard Webhooks writes them. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return `whsec_${btoa(String.fromCharCode(...bytes))}`;
}
