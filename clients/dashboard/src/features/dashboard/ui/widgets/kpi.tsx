import { Activity, Database, HardDriveDownload, HeartPulse, RefreshCw, Router, Siren, Unplug } from "lucide-react";
import type { LucideIcon } from "lucide-react";
import type { ReactNode } from "react";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { usePermission } from "@/shared/session/session";
import { useStateOf, useTrust } from "@/shared/streams/hooks";
import { live } from "@/shared/streams/live";
import type { SystemSummary } from "@/shared/streams/shapes";
import { useFromNow } from "@/shared/time/ticker";
import { KpiCard } from "@/shared/ui/kpi-card";
import { StatusShape } from "@/shared/ui/status";
import type { WidgetOf } from "../../model/document";
import { dashboardTexts } from "../../texts";

type Figure = WidgetOf<"kpi">["figures"][number];

const ICONS: Record<Figure, LucideIcon> = {
  active_devices: Router,
  offline_devices: Unplug,
  devices: Router,
  buffered_records: HardDriveDownload,
  system_status: Activity,
  last_sync: RefreshCw,
  last_seen: HeartPulse,
  active_alerts: Siren,
  storage: Database,
};

/** The figures on top: is everything there, is anything on its way, does it work, is it in step. */
export function Kpi({ widget }: { widget: WidgetOf<"kpi"> }) {
  const summary = useStateOf("system", "summary");
  return (
    <div className="grid h-full auto-rows-fr grid-cols-[repeat(auto-fit,minmax(9.5rem,1fr))] gap-3">
      {widget.figures.map((figure) => (
        <FigureCard key={figure} figure={figure} summary={summary} />
      ))}
    </div>
  );
}

function FigureCard({ figure, summary }: { figure: Figure; summary: SystemSummary | undefined }) {
  const t = useText(dashboardTexts);
  const isStale = useTrust() === "silent";
  const Icon = ICONS[figure];
  const isAllowed = usePermission("system:read");
  const { value, note } = useFigure(figure, summary);
  return <KpiCard label={t(figure)} value={value} note={isAllowed ? note : t("noAccess")} icon={<Icon className="size-4" />} isStale={isStale} />;
}

function useFigure(figure: Figure, summary: SystemSummary | undefined): { value: ReactNode; note?: ReactNode } {
  const t = useText(dashboardTexts);
  const format = useFormat();
  const at = figure === "last_sync" ? summary?.last_sync : figure === "last_seen" ? summary?.last_seen : undefined;
  const age = useFromNow(() => (at === null || at === undefined ? "" : format.ago(Math.min(at, live.serverNow()), live.serverNow())));
  if (summary === undefined) return { value: t("unknown") };
  switch (figure) {
    case "active_devices":
      return { value: format.number(summary.active_devices), note: t("ofDevices", { count: summary.devices }) };
    case "offline_devices":
      return { value: format.number(summary.offline_devices), note: t("ofDevices", { count: summary.devices }) };
    case "devices":
      return { value: format.number(summary.devices) };
    case "buffered_records":
      return { value: format.number(summary.buffered_records), note: t("bufferedNote") };
    case "system_status": {
      const isOk = summary.system_status === "ok";
      const broken = Object.entries(summary.parts).filter(([, part]) => !part.ok).map(([name]) => name);
      return {
        value: (
          <span className="flex items-center gap-2.5">
            <StatusShape tone={isOk ? "ok" : "warn"} className="size-4" />
            {t(isOk ? "ok" : "degraded")}
          </span>
        ),
        note: isOk ? t("systemOk") : t("systemDegraded", { parts: broken.join(", ") }),
      };
    }
    case "last_sync":
    case "last_seen":
      return at === null || at === undefined
        ? { value: t("never"), note: figure === "last_sync" ? t("noSync") : undefined }
        : { value: age, note: format.dateTime(at) };
    case "active_alerts":
      return { value: summary.active_alerts === undefined || summary.active_alerts === null ? t("unknown") : format.number(summary.active_alerts) };
    case "storage":
      return { value: summary.storage?.used_share === undefined || summary.storage.used_share === null ? t("unknown") : format.percent(summary.storage.used_share) };
  }
}
