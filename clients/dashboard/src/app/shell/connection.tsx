import { RotateCw } from "lucide-react";
import { useText } from "@/shared/i18n/messages";
import { useConnection, useResync, useTrust } from "@/shared/streams/hooks";
import { live } from "@/shared/streams/live";
import { useFromNow } from "@/shared/time/ticker";
import { Button } from "@/shared/ui/button";
import { cx } from "@/shared/ui/classes";
import { Badge, StatusShape } from "@/shared/ui/status";
import { appTexts } from "../texts";

/** The good news stays for so long. */
const RESYNC_MS = 6_000;

/** One word about the line, always there. */
export function ConnectionMark() {
  const t = useText(appTexts);
  const trust = useTrust();
  return <Badge tone={trust === "live" ? "ok" : trust === "starting" ? "info" : "bad"}>{t(trust)}</Badge>;
}

function useReason(): string {
  const t = useText(appTexts);
  const { phase, stop, retryAt } = useConnection();
  const seconds = useFromNow((now) => (retryAt === undefined ? 0 : Math.max(0, Math.ceil((retryAt - now) / 1000))));
  if (stop?.code === 4006) return t("stoppedVersion");
  if (stop?.code === 4009) return t("stoppedMany");
  if (stop !== undefined) return t("stoppedRefused", { reason: stop.reason });
  if (phase === "offline") return t("networkOff");
  return `${t("lineLost")} ${seconds > 0 ? t("retryIn", { seconds }) : t("retrying")}`;
}

/**
 * The banner: up after three seconds without a word from the server, unmistakable, and gone by itself with the first
 * data after the line is back. It lies over the header, or over the foot of a narrow page, and moves nothing.
 */
export function ConnectionBanner() {
  const t = useText(appTexts);
  const trust = useTrust();
  const recovered = useResync(RESYNC_MS);
  const reason = useReason();
  const { stop } = useConnection();
  const isLost = trust === "silent";
  return (
    <div role={isLost ? "alert" : "status"} className="contents">
      {(isLost || recovered !== undefined) && (
        <div
          data-banner={isLost ? "lost" : "resynced"}
          className={cx(
            "z-30 flex min-h-12 min-w-0 items-center gap-3 px-4 py-1.5 text-sm font-medium",
            "fixed inset-x-0 bottom-0 shadow-high md:absolute md:inset-y-0 md:right-0 md:bottom-auto md:left-0 md:h-full md:shadow-none",
            isLost ? "bg-bad-soft text-bad" : "bg-ok-soft text-ok",
          )}
        >
          <StatusShape tone={isLost ? "bad" : "ok"} className="size-3" />
          <span className="figures min-w-0 grow">
            {isLost ? reason : recovered === 0 ? t("resyncedNone") : t("resynced", { count: recovered ?? 0 })}
          </span>
          {isLost && (
            <Button
              icon={<RotateCw className="size-4" aria-hidden />}
              onClick={() => {
                if (stop?.code === 4006) window.location.reload();
                else live.retryNow();
              }}
            >
              {stop?.code === 4006 ? t("reload") : t("retryNow")}
            </Button>
          )}
        </div>
      )}
    </div>
  );
}
