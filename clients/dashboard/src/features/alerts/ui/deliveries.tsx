import { query } from "@/shared/api/client";
import type { components } from "@/shared/api/generated/alerts";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { useRefetchOn } from "@/shared/streams/use-refetch-on";
import { Await } from "@/shared/ui/states";
import { Status } from "@/shared/ui/status";
import { deliveryTone, isOnItsWay } from "../model/delivery";
import { alertTexts } from "../texts";

type Delivery = components["schemas"]["DeliveryAnswer"];
const PATH = "/api/alerts/{alarm_id}/deliveries";
/** Nobody announces that a message went out: while one is on its way it is asked for. */
const ASKED_EVERY_MS = 3_000;

/** Who was told of an alarm, by which channel, and whether it came through. */
export function Deliveries({ alarmId }: { alarmId: string }) {
  const t = useText(alertTexts);
  const deliveries = query.useQuery(
    "get",
    PATH,
    { params: { path: { alarm_id: alarmId } } },
    {
      staleTime: 0,
      refetchInterval: ({ state }) => (state.data?.items.some((item) => isOnItsWay(item.state)) === true ? ASKED_EVERY_MS : false),
    },
  );
  useRefetchOn("alerts", PATH);
  return (
    <section>
      <h3 className="mb-2 text-sm font-semibold">{t("told")}</h3>
      <Await asked={deliveries}>
        {({ items }) =>
          items.length === 0 ? (
            <p className="text-sm text-ink-soft">{t("toldNone")}</p>
          ) : (
            <ul className="flex flex-col divide-y divide-line rounded-md border border-line">
              {items.map((item) => (
                <Line key={`${item.step_id} ${item.channel_id}`} delivery={item} />
              ))}
            </ul>
          )
        }
      </Await>
    </section>
  );
}

function Line({ delivery }: { delivery: Delivery }) {
  const t = useText(alertTexts);
  const format = useFormat();
  const { channel_kind: kind, channel_name: name, step_kind: step, state, reason, attempts, settled_at: settled } = delivery;
  return (
    <li className="flex flex-wrap items-baseline gap-x-3 gap-y-0.5 px-3 py-2 text-sm">
      <span className="min-w-0 grow">
        <span className="font-medium">{name}</span>
        <span className="text-ink-soft">{` · ${t(kind)} · ${t(step)}`}</span>
      </span>
      <Status tone={deliveryTone(state)}>{t(state)}</Status>
      <span className="figures w-full text-xs text-ink-faint">
        {[
          settled === null ? undefined : format.dateTime(Date.parse(settled)),
          attempts > 1 ? t("attempts", { count: attempts }) : undefined,
          reason ?? undefined,
        ].filter((part) => part !== undefined).join(" · ")}
      </span>
    </li>
  );
}
