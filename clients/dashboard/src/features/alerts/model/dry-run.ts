import type { components } from "@/shared/api/generated/alerts";

type Tried = components["schemas"]["TriedItem"];
type Found = components["schemas"]["FoundItem"];

/** An alarm that a rule would have raised, and when it would have ended. */
export interface WouldBe {
  readonly deviceId: string;
  readonly raisedAt: number;
  readonly clearedAt: number | undefined;
  readonly metric: string | null;
  readonly value: Found["value"];
  readonly message: string;
}

/** What was found on each device, as alarms, the newest first: a clearing ends what was raised before it. */
export function wouldBe(items: readonly Tried[]): WouldBe[] {
  return items
    .flatMap(({ device_id: deviceId, found }) => {
      const alarms: WouldBe[] = [];
      for (const { is_raised: isRaised, at, metric, value, message } of found) {
        const last = alarms.at(-1);
        if (isRaised) alarms.push({ deviceId, raisedAt: Date.parse(at), clearedAt: undefined, metric, value, message });
        else if (last !== undefined && last.clearedAt === undefined) alarms.splice(-1, 1, { ...last, clearedAt: Date.parse(at) });
      }
      return alarms;
    })
    .sort((one, other) => other.raisedAt - one.raisedAt);
}
