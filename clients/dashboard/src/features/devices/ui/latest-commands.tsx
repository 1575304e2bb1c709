import { Link } from "@tanstack/react-router";
import { query } from "@/shared/api/client";
import { State } from "@/shared/commands/command-state";
import { useText } from "@/shared/i18n/messages";
import { usePermission } from "@/shared/session/session";
import { useRefetchOn } from "@/shared/streams/use-refetch-on";
import { Panel } from "@/shared/ui/panel";
import { Await, Skeleton } from "@/shared/ui/states";
import { deviceTexts } from "../texts";

const PATH = "/api/commands";
const LISTED = 5;

/** What the device was told to do last, and how far it is; for whoever may see commands. */
export function LatestCommands({ deviceId }: { deviceId: string }) {
  const isAllowed = usePermission("commands:read");
  return isAllowed ? <Listed deviceId={deviceId} /> : null;
}

function Listed({ deviceId }: { deviceId: string }) {
  const t = useText(deviceTexts);
  const asked = query.useQuery("get", PATH, { params: { query: { device_id: deviceId, limit: LISTED } } });
  useRefetchOn("commands", PATH);
  return (
    <Panel title={t("latestCommands")}>
      <Await asked={asked} loading={<Skeleton className="h-6" />}>
        {({ items }) =>
          items.length === 0 ? (
            <p className="text-sm text-ink-soft">{t("noCommands")}</p>
          ) : (
            <ul className="flex flex-col gap-1.5 text-sm">
              {items.map((item) => (
                <li key={item.id} className="flex min-w-0 items-center gap-3">
                  <Link to="/commands" search={{ device: deviceId, open: item.id }} className="min-w-0 grow truncate font-medium hover:underline">
                    {item.name}
                  </Link>
                  <State state={item.state} progress={item.progress} name={item.name} />
                </li>
              ))}
            </ul>
          )
        }
      </Await>
    </Panel>
  );
}
