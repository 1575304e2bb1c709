import { Send } from "lucide-react";
import { useMemo, useState } from "react";
import { query, queryClient } from "@/shared/api/client";
import { useText } from "@/shared/i18n/messages";
import { useStates } from "@/shared/streams/hooks";
import { ActionButton } from "@/shared/ui/button";
import { Panel } from "@/shared/ui/panel";
import { Status } from "@/shared/ui/status";
import { isOnItsWay } from "../../model/delivery";
import type { Channel } from "../../model/channel-draft";
import { channelTexts } from "../../channel-texts";
import { ChoiceField } from "../form/fields";
import { Refusal } from "../form/editing";
import { MESSAGES_PATH, useMessages } from "./use-messages";

/** Send a test through a channel, and see what becomes of it. */
export function Trial({ channel, isDirty }: { channel: Channel; isDirty: boolean }) {
  const t = useText(channelTexts);
  const devices = useStates("devices");
  const [chosen, setChosen] = useState("");
  const trial = query.useMutation("post", "/api/alert-channels/{channel_id}/test");
  const ids = useMemo(() => [...devices].map(([id, device]) => [id, device.name] as const), [devices]);
  const deviceId = chosen === "" ? (ids[0]?.[0] ?? "") : chosen;
  const blocked = isDirty ? t("testDirty") : channel.is_enabled ? undefined : t("testOff");
  return (
    <Panel title={t("testTitle")}>
      <div className="flex flex-col items-start gap-3">
        <p className="text-sm text-ink-soft">{t("testHint")}</p>
        {channel.kind === "mqtt" && <ChoiceField label={t("testDevice")} value={deviceId} choices={ids} onChange={setChosen} />}
        <ActionButton
          permission="alert_rules:write"
          icon={<Send className="size-4" aria-hidden />}
          isBusy={trial.isPending}
          blocked={blocked}
          onClick={() => {
            trial.mutate(
              { params: { path: { channel_id: channel.id } }, body: channel.kind === "mqtt" ? { device_id: deviceId } : {} },
              { onSettled: () => void queryClient.invalidateQueries({ queryKey: ["get", MESSAGES_PATH] }) },
            );
          }}
        >
          {t("test")}
        </ActionButton>
        {trial.error !== null && <Refusal error={trial.error} />}
        {trial.data !== undefined && <Outcome channelId={channel.id} messageId={trial.data.message_id} />}
      </div>
    </Panel>
  );
}

function Outcome({ channelId, messageId }: { channelId: string; messageId: string }) {
  const t = useText(channelTexts);
  const messages = useMessages(channelId);
  const message = messages.data?.pages.flatMap((page) => page.items).find((one) => one.id === messageId);
  const reason = [message?.reason, message?.detail].filter(Boolean).join(": ");
  return (
    <div role="status" className="text-sm">
      {message === undefined || isOnItsWay(message.state) ? (
        <>
          <Status tone="info">{t("testRuns")}</Status>
          {reason !== "" && <p className="text-ink-soft">{reason}</p>}
        </>
      ) : message.state === "sent" ? (
        <Status tone="ok">{t("testSent")}</Status>
      ) : (
        <p className="text-bad">{t("testFailed", { reason: reason === "" ? t(message.state) : reason })}</p>
      )}
    </div>
  );
}
