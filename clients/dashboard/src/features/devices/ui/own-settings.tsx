import { useEffect } from "react";
import { query } from "@/shared/api/client";
import { useText } from "@/shared/i18n/messages";
import { usePermission } from "@/shared/session/session";
import { useStates } from "@/shared/streams/hooks";
import { Panel } from "@/shared/ui/panel";
import { Await, Skeleton } from "@/shared/ui/states";
import { Status } from "@/shared/ui/status";
import { typedText } from "@/shared/values/value-spec";
import { deviceTexts } from "../texts";

/** No topic tells what a device applied: it is asked for, as long as something is on its way. */
const ASK_AGAIN_MS = 5_000;

/** What is configured on the device other than by default, and whether it is in force there. */
export function OwnSettings({ deviceId }: { deviceId: string }) {
  const isAllowed = usePermission("config:read");
  return isAllowed ? <Listed deviceId={deviceId} /> : null;
}

function Listed({ deviceId }: { deviceId: string }) {
  const t = useText(deviceTexts);
  const entries = useStates("config");
  const asked = query.useQuery(
    "get",
    "/api/config/effective/{device_id}",
    { params: { path: { device_id: deviceId } } },
    { refetchInterval: (found) => (found.state.data?.items.some((one) => one.is_in_force === false) === true ? ASK_AGAIN_MS : false) },
  );
  const { refetch } = asked;
  useEffect(() => {
    void refetch();
  }, [entries, refetch]);
  return (
    <Panel title={t("config")}>
      <Await asked={asked} loading={<Skeleton className="h-6" />}>
        {({ items }) => {
          const own = items.filter((one) => one.entry !== null);
          if (own.length === 0) return <p className="text-sm text-ink-soft">{t("allDefault")}</p>;
          return (
            <ul className="flex flex-col gap-1.5 text-sm">
              {own.map((one) => (
                <li key={one.key} className="flex min-w-0 flex-wrap items-center gap-x-3">
                  <span className="min-w-0 grow truncate">{one.key}</span>
                  <span className="figures truncate font-medium">{typedText(one.value).replaceAll("\n", ", ")}</span>
                  {one.is_in_force !== null && (
                    <Status tone={one.error !== null ? "bad" : one.is_in_force ? "ok" : "warn"}>
                      {t(one.error !== null ? "refused" : one.is_in_force ? "inForce" : "notYet")}
                    </Status>
                  )}
                </li>
              ))}
            </ul>
          );
        }}
      </Await>
    </Panel>
  );
}
