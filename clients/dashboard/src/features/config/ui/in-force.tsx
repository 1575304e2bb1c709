import { query } from "@/shared/api/client";
import { useText } from "@/shared/i18n/messages";
import { useStates } from "@/shared/streams/hooks";
import { Await } from "@/shared/ui/states";
import { Status } from "@/shared/ui/status";
import { STANDING_TONES, standingOf } from "../model/standing";
import type { Applied } from "../model/standing";
import { configTexts } from "../texts";

const LISTED = 500;
/** No topic tells what a desktop applied: it is asked for. */
export const ASK_AGAIN_MS = 5_000;

/** How far a device is with an entry, in shape and word. */
export function Standing({ applied }: { applied: Applied }) {
  const t = useText(configTexts);
  const standing = standingOf(applied);
  if (standing === "nothing") return <span className="text-ink-faint">{t("notToApply")}</span>;
  return <Status tone={STANDING_TONES[standing]}>{t(standing)}</Status>;
}

/** Which version of one entry each desktop has in force; those behind come first. */
export function InForce({ entryId, configKey }: { entryId: string; configKey: string }) {
  const t = useText(configTexts);
  const devices = useStates("devices");
  const applied = query.useQuery(
    "get",
    "/api/config/applied",
    { params: { query: { key: configKey, limit: LISTED } } },
    { refetchInterval: ASK_AGAIN_MS },
  );
  return (
    <section>
      <h3 className="mb-2 text-sm font-semibold">{t("appliedBy")}</h3>
      <Await asked={applied}>
        {({ items }) => {
          const own = items.filter((item) => item.entry.id === entryId).sort((a, b) => Number(a.is_in_force) - Number(b.is_in_force));
          if (own.length === 0) return <p className="text-sm text-ink-soft">{t("appliedNone")}</p>;
          return (
            <ul className="flex max-h-60 flex-col divide-y divide-line overflow-y-auto text-sm">
              {own.map((item) => (
                <li key={item.device_id} className="py-1.5">
                  <div className="flex items-center gap-3">
                    <span className="min-w-0 grow truncate font-medium">{devices.get(item.device_id)?.name ?? item.device_id}</span>
                    <span className="figures text-ink-soft">
                      {item.applied_version === null ? "—" : t("versionShort", { version: item.applied_version })}
                    </span>
                    <Standing applied={item} />
                  </div>
                  {item.error !== null && <p className="text-xs text-bad">{item.error}</p>}
                </li>
              ))}
            </ul>
          );
        }}
      </Await>
    </section>
  );
}
