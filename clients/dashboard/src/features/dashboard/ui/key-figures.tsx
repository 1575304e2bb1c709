import { Activity, HardDriveDownload, RefreshCw, Router } from "lucide-react";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { useStateOf, useTrust } from "@/shared/streams/hooks";
import { live } from "@/shared/streams/live";
import { useFromNow } from "@/shared/time/ticker";
import { KpiCard } from "@/shared/ui/kpi-card";
import { Skeleton } from "@/shared/ui/states";
import { StatusShape } from "@/shared/ui/status";
import { dashboardTexts } from "../texts";

const ICON = "size-4";

/** The four figures on top: is everything there, is anything on its way, does it work, is it in step. */
export function KeyFigures() {
  const t = useText(dashboardTexts);
  const format = useFormat();
  const summary = useStateOf("system", "summary");
  const isStale = useTrust() === "silent";
  const lastSync = summary?.last_sync ?? null;
  const synced = useFromNow(() => (lastSync === null ? "" : format.ago(Math.min(lastSync, live.serverNow()), live.serverNow())));
  if (summary === undefined) {
    return (
      <div className="grid grid-cols-2 gap-3 lg:grid-cols-4">
        {["a", "b", "c", "d"].map((key) => (
          <Skeleton key={key} className="h-28" />
        ))}
      </div>
    );
  }
  const broken = Object.entries(summary.parts).filter(([, part]) => !part.ok).map(([name]) => name);
  const isOk = summary.system_status === "ok";
  return (
    <div className="grid grid-cols-2 gap-3 lg:grid-cols-4">
      <KpiCard
        label={t("activeDevices")}
        value={format.number(summary.active_devices)}
        note={t("ofDevices", { count: summary.devices })}
        icon={<Router className={ICON} />}
        isStale={isStale}
      />
      <KpiCard
        label={t("buffered")}
        value={format.number(summary.buffered_records)}
        note={t("bufferedNote")}
        icon={<HardDriveDownload className={ICON} />}
        isStale={isStale}
      />
      <KpiCard
        label={t("system")}
        value={
          <span className="flex items-center gap-2.5">
            <StatusShape tone={isOk ? "ok" : "warn"} className="size-4" />
            {t(isOk ? "ok" : "degraded")}
          </span>
        }
        note={isOk ? t("systemOk") : t("systemDegraded", { parts: broken.join(", ") })}
        icon={<Activity className={ICON} />}
        isStale={isStale}
      />
      <KpiCard
        label={t("lastSync")}
        value={lastSync === null ? t("never") : synced}
        note={lastSync === null ? t("noSync") : format.dateTime(lastSync)}
        icon={<RefreshCw className={ICON} />}
        isStale={isStale}
      />
    </div>
  );
}
