import { query } from "@/shared/api/client";
import { useText } from "@/shared/i18n/messages";
import { usePermission } from "@/shared/session/session";
import { useRefetchOn } from "@/shared/streams/use-refetch-on";
import { badgeTexts } from "../badge-texts";

const PATH = "/api/alerts/open";

/** How many critical alarms nobody takes care of, for the navigation; nothing when there is none. */
export function OpenBadge() {
  return usePermission("alerts:read") ? <Count /> : null;
}

function Count() {
  const t = useText(badgeTexts);
  const open = query.useQuery("get", PATH);
  useRefetchOn("alerts", PATH);
  const count = open.data?.items.find((item) => item.severity === "critical" && item.state === "active")?.count ?? 0;
  if (count === 0) return null;
  return (
    <span className="figures ml-auto rounded-full bg-bad-soft px-2 text-xs font-semibold text-bad">
      <span aria-hidden>{count > 99 ? "99+" : count}</span>
      <span className="sr-only">{t("badge", { count })}</span>
    </span>
  );
}
