import type { components } from "@/shared/api/generated/alerts";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { Button } from "@/shared/ui/button";
import { Panel } from "@/shared/ui/panel";
import { Await, EmptyState } from "@/shared/ui/states";
import { Status } from "@/shared/ui/status";
import { deliveryTone } from "../../model/delivery";
import { channelTexts } from "../../channel-texts";
import { useMessages } from "./use-messages";

type Message = components["schemas"]["MessageAnswer"];

/** What went through a channel, and what did not, and why. */
export function Messages({ channelId }: { channelId: string }) {
  const t = useText(channelTexts);
  const messages = useMessages(channelId);
  return (
    <Panel title={t("messages")} isFlush>
      <Await asked={messages}>
        {({ pages }) => {
          const items = pages.flatMap((page) => page.items);
          if (items.length === 0) return <EmptyState title={t("noMessages")} />;
          return (
            <ul className="flex max-h-[28rem] flex-col divide-y divide-line overflow-y-auto">
              {items.map((message) => (
                <Line key={message.id} message={message} />
              ))}
              {messages.hasNextPage && (
                <li className="p-2">
                  <Button tone="quiet" isBusy={messages.isFetchingNextPage} onClick={() => void messages.fetchNextPage()}>
                    {t("older")}
                  </Button>
                </li>
              )}
            </ul>
          );
        }}
      </Await>
    </Panel>
  );
}

function Line({ message }: { message: Message }) {
  const t = useText(channelTexts);
  const format = useFormat();
  const { kind, state, steps, attempts, reason, detail, device_id: deviceId, next_at: next } = message;
  const notes = [
    kind === "steps" ? t("steps", { count: steps }) : undefined,
    deviceId ?? undefined,
    attempts > 1 ? t("attempts", { count: attempts }) : undefined,
    next === null ? undefined : t("next", { time: format.time(Date.parse(next)) }),
    [reason, detail].filter(Boolean).join(": ") || undefined,
  ].filter((part) => part !== undefined);
  return (
    <li className="flex flex-wrap items-baseline gap-x-3 gap-y-0.5 px-pad py-2 text-sm">
      <span className="figures text-ink-soft">{format.dateTime(Date.parse(message.created_at))}</span>
      <span className="grow">{t(`kind_${kind}`)}</span>
      <Status tone={deliveryTone(state)}>{t(state)}</Status>
      {notes.length > 0 && <span className="w-full text-xs break-words text-ink-faint">{notes.join(" · ")}</span>}
    </li>
  );
}
