import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { live } from "@/shared/streams/live";
import { useFromNow } from "@/shared/time/ticker";
import { deviceTexts } from "../texts";

/** When a device was heard last, as time that passed. */
export function Seen({ at }: { at: number | null }) {
  const t = useText(deviceTexts);
  const format = useFormat();
  const text = useFromNow(() => (at === null ? "" : format.ago(Math.min(at, live.serverNow()), live.serverNow())));
  return <span className="figures">{at === null ? t("never") : text}</span>;
}
