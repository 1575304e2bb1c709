import { lazy, Suspense, useState } from "react";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { useTrust, useUpdatedAt } from "@/shared/streams/hooks";
import { Button } from "@/shared/ui/button";
import { appTexts } from "../texts";
import { useUpdates } from "../updates";
import { useSessionEnd } from "./use-session-end";

const Warning = lazy(() => import("./end-warning").then((module) => ({ default: module.EndWarning })));

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
  const isNear = useSessionEnd() !== undefined;
  if (!isNear) return null;
  return (
    <Suspense fallback={null}>
      <Warning />
    </Suspense>
  );
}
