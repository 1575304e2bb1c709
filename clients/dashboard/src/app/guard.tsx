import { Link, lazyRouteComponent } from "@tanstack/react-router";
import type { RouteComponent } from "@tanstack/react-router";
import type { ComponentType } from "react";
import { useText } from "@/shared/i18n/messages";
import type { Permission } from "@/shared/session/permission";
import { usePermission } from "@/shared/session/session";
import { EmptyState } from "@/shared/ui/states";
import { appTexts } from "./texts";

/** The code of a screen: a module with the one component `Screen`. */
type Load = () => Promise<{ Screen: ComponentType }>;

/**
 * A screen as a route's component: its code comes when it is needed, and it is there only while the right is. A right
 * that is taken away takes the screen with it, at once.
 */
export function screen(permission: Permission | undefined, load: Load): RouteComponent {
  const Lazy = lazyRouteComponent(load, "Screen") as ComponentType & { preload?: () => Promise<void> };
  function Guarded() {
    const isAllowed = usePermission(permission);
    return isAllowed || permission === undefined ? <Lazy /> : <NoAccess permission={permission} />;
  }
  Guarded.preload = async () => {
    await Lazy.preload?.();
  };
  return Guarded;
}

function NoAccess({ permission }: { permission: Permission }) {
  const t = useText(appTexts);
  return (
    <EmptyState title={t("noAccessTitle")}>
      <p>{t("noAccess", { permission })}</p>
    </EmptyState>
  );
}

export function NotFound() {
  const t = useText(appTexts);
  return (
    <EmptyState
      title={t("notFoundTitle")}
      action={
        <Link to="/" className="mt-2 text-sm font-medium text-accent underline">
          {t("toDashboard")}
        </Link>
      }
    >
      <p>{t("notFound")}</p>
    </EmptyState>
  );
}
