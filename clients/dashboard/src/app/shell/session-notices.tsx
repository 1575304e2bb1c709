import { useState } from "react";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { refresh, useSession } from "@/shared/session/session";
import { useTrust, useUpdatedAt } from "@/shared/streams/hooks";
import { useFromNow } from "@/shared/time/ticker";
import { Button } from "@/shared/ui/button";
import { Dialog } from "@/shared/ui/dialog";
import { useProblemText } from "@/shared/ui/states";
import { notify } from "@/shared/ui/toast";
import { appTexts } from "../texts";
import { useUpdates } from "../updates";

/** Whoever is warned has so long to say that they are still there. */
const WARNING_MS = 2 * 60_000;

/** What the frame has to say of the session, of the version, and of how old everything is. */
export function SessionNotices() {
  return (
    <>
      <AsOf />
      <UpdateNotice />
      <EndWarning />
    </>
  );
}

/** While nothing is live yet, or any more, everything shown is from then. */
function AsOf() {
  const t = useText(appTexts);
  const format = useFormat();
  const trust = useTrust();
  const at = useUpdatedAt("devices");
  if (trust === "live" || at === undefined) return null;
  return (
    <p data-as-of className="figures fixed right-3 bottom-14 z-30 rounded-full border border-line bg-raised px-3 py-1 text-xs text-ink-soft shadow-card md:right-5 md:bottom-3">
      {t("asOf", { time: format.dateTime(at) })}
    </p>
  );
}

function UpdateNotice() {
  const t = useText(appTexts);
  const apply = useUpdates((state) => state.apply);
  const [isLater, setLater] = useState(false);
  if (apply === undefined || isLater) return null;
  return (
    <div role="status" className="fixed bottom-4 left-1/2 z-30 flex w-max max-w-[calc(100vw-2rem)] -translate-x-1/2 items-center gap-3 rounded-lg border border-line bg-raised px-4 py-2 text-sm shadow-high">
      {t("updateTitle")}
      <Button tone="quiet" onClick={() => { setLater(true); }}>{t("updateLater")}</Button>
      <Button tone="primary" onClick={apply}>{t("updateNow")}</Button>
    </div>
  );
}

function EndWarning() {
  const t = useText(appTexts);
  const format = useFormat();
  const problemText = useProblemText();
  const endsAt = useSession((state) => (state.kind === "open" ? state.endsAt : undefined));
  const left = useFromNow((now) => (endsAt === undefined || endsAt - now > WARNING_MS ? undefined : Math.max(0, endsAt - now)));
  if (left === undefined) return null;
  const stay = (): void => {
    refresh().catch((error: unknown) => {
      notify("bad", problemText(error));
    });
  };
  return (
    <Dialog isOpen onClose={stay} title={t("expiringTitle")} actions={<Button tone="primary" onClick={stay}>{t("stay")}</Button>}>
      <p className="figures">{t("expiring", { time: format.duration(left) })}</p>
    </Dialog>
  );
}
