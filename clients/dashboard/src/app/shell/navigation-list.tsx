import { Link } from "@tanstack/react-router";
import { Suspense } from "react";
import { useText } from "@/shared/i18n/messages";
import { useUser } from "@/shared/session/session";
import { DESTINATIONS } from "../navigation";
import { appTexts, screenTexts } from "../texts";

const GROUPS = ["operate", "administer"] as const;

/** The screens that this person may see. */
export function NavigationList({ onGo }: { onGo?: () => void }) {
  const t = useText(appTexts);
  const name = useText(screenTexts);
  const permissions = useUser()?.permissions ?? [];
  return (
    <nav aria-label={t("navigation")} className="flex flex-col gap-5">
      {GROUPS.map((group) => {
        const shown = DESTINATIONS.filter(
          (one) => one.group === group && (one.permission === undefined || permissions.includes(one.permission)),
        );
        if (shown.length === 0) return null;
        return (
          <div key={group}>
            <h2 className="px-3 pb-1 text-xs font-medium text-ink-faint">{t(group)}</h2>
            <ul className="flex flex-col gap-0.5">
              {shown.map(({ to, text, icon: Icon, badge: Figure }) => (
                <li key={to}>
                  <Link
                    to={to}
                    activeOptions={{ exact: to === "/" }}
                    onClick={onGo}
                    className="flex h-control items-center gap-3 rounded-md px-3 text-sm font-medium text-ink-soft hover:bg-sunken hover:text-ink aria-[current=page]:bg-accent-soft aria-[current=page]:text-ink"
                  >
                    <Icon className="size-4 shrink-0" aria-hidden />
                    <span className="truncate">{name(text)}</span>
                    {Figure !== undefined && (
                      <Suspense fallback={null}>
                        <Figure />
                      </Suspense>
                    )}
                  </Link>
                </li>
              ))}
            </ul>
          </div>
        );
      })}
    </nav>
  );
}
