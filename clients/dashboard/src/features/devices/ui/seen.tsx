import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { live, telemetry } from "@/shared/streams/live";
import { useFromNow } from "@/shared/time/ticker";
import { deviceTexts } from "../texts";

/** When a device was heard last, by presence or by a reading, as time that passed. */
export function Seen({ deviceId, at }: { deviceId: string; at: number | null }) {
  const t = useText(deviceTexts);
  const format = useFormat();
  const text = useFromNow(() => {
    const newest = Math.max(at ?? 0, telemetry.newest(deviceId) ?? 0);
    return newest === 0 ? "" : format.ago(Math.min(newest, live.serverNow()), live.serverNow());
  });
  return <span className="figures">{text === "" ? t("never") : text}</span>;
}
