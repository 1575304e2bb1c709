import { useState } from "react";
import { query } from "@/shared/api/client";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { usePermission } from "@/shared/session/session";
import { useStateOf } from "@/shared/streams/hooks";
import { live } from "@/shared/streams/live";
import { Panel } from "@/shared/ui/panel";
import { Await, Skeleton } from "@/shared/ui/states";
import { absencesOf, presentShare } from "../model/presence";
import { deviceTexts } from "../texts";

const WINDOW_MS = 24 * 3_600_000;
const LISTED = 5;

/** When the device was heard in the last day, as a band of time and in words. */
export function Presence({ deviceId }: { deviceId: string }) {
  // With every change of presence the times are other ones.
  const since = useStateOf("devices", deviceId)?.since ?? 0;
  const isAllowed = usePermission("reports:read");
  return isAllowed ? <Timeline key={since} deviceId={deviceId} /> : null;
}

function Timeline({ deviceId }: { deviceId: string }) {
  const t = useText(deviceTexts);
  const format = useFormat();
  const [to] = useState(() => live.serverNow());
  const from = to - WINDOW_MS;
  const asked = query.useQuery("get", "/api/reports/{kind}", {
    params: {
      path: { kind: "offline-events" },
      query: { device_id: [deviceId], from: new Date(from).toISOString(), to: new Date(to).toISOString() },
    },
  });
  return (
    <Panel title={t("presence")}>
      <Await asked={asked} loading={<Skeleton className="h-17" />}>
        {(report) => {
          const absences = typeof report === "string" ? [] : absencesOf(report.rows, from);
          return (
            <>
              <p className="figures text-sm">{t("present", { ratio: format.percent(presentShare(absences, from, to)) })}</p>
              <div aria-hidden className="relative my-2 h-4 overflow-hidden rounded-sm bg-ok">
                {absences.map((one) => (
                  <span
                    key={one.from}
                    className="hatched absolute inset-y-0 min-w-0.5 bg-surface"
                    style={{
                      left: `${String(((one.from - from) / WINDOW_MS) * 100)}%`,
                      width: `${String((((one.to ?? to) - one.from) / WINDOW_MS) * 100)}%`,
                    }}
                  />
                ))}
              </div>
              {absences.length === 0 ? (
                <p className="text-sm text-ink-soft">{t("never_away")}</p>
              ) : (
                <ul className="figures text-sm text-ink-soft">
                  {absences.slice(0, LISTED).map((one) => (
                    <li key={one.from}>
                      {one.to === undefined
                        ? t("awayOpen", { from: format.time(one.from), duration: format.duration(to - one.from) })
                        : t("away", { from: format.time(one.from), to: format.time(one.to), duration: format.duration(one.to - one.from) })}
                    </li>
                  ))}
                </ul>
              )}
            </>
          );
        }}
      </Await>
    </Panel>
  );
}
