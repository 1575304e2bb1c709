import { createRootRoute, createRoute, createRouter } from "@tanstack/react-router";
import { readFilters as readAlertFilters } from "@/features/alerts/model/filters";
import { readFilters as readAuditFilters } from "@/features/audit/model/filters";
import { readFilters as readCommandFilters } from "@/features/commands/model/filters";
import { readFilters as readConfigFilters } from "@/features/config/model/filters";
import { readSearch as readDashboardSearch } from "@/features/dashboard/model/search";
import { readFilters as readHistoryFilters } from "@/features/history/model/filters";
import { readFilters as readReportFilters } from "@/features/reports/model/filters";
import { readFilters as readSyncFilters } from "@/features/sync/model/filters";
import { readFilters as readUserFilters } from "@/features/users/model/filters";
import { ErrorState } from "@/shared/ui/states";
import { LoadingState } from "@/shared/ui/states";
import { NotFound, screen } from "./guard";
import { Shell } from "./shell/shell";

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });

const routes = [
  createRoute({
    getParentRoute: () => root,
    path: "/",
    validateSearch: readDashboardSearch,
    component: screen(undefined, () => import("@/features/dashboard/ui/dashboard-screen")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/devices",
    component: screen("devices:read", () => import("@/features/devices/ui/devices-screen")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/devices/$deviceId",
    component: screen("devices:read", () => import("@/features/devices/ui/device-screen")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/alerts",
    validateSearch: readAlertFilters,
    component: screen("alerts:read", () => import("@/features/alerts/ui/alerts-screen")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/commands",
    validateSearch: readCommandFilters,
    component: screen("commands:read", () => import("@/features/commands/ui/commands-screen")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/history",
    validateSearch: readHistoryFilters,
    component: screen("telemetry:read", () => import("@/features/history/ui/history-screen")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/reports",
    validateSearch: readReportFilters,
    component: screen("reports:read", () => import("@/features/reports/ui/reports-screen")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/config",
    validateSearch: readConfigFilters,
    component: screen("config:read", () => import("@/features/config/ui/config-screen")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/users",
    validateSearch: readUserFilters,
    component: screen("users:read", () => import("@/features/users/ui/users-screen")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/sync",
    validateSearch: readSyncFilters,
    component: screen("sync:read", () => import("@/features/sync/ui/sync-screen")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/audit",
    validateSearch: readAuditFilters,
    component: screen("audit:read", () => import("@/features/audit/ui/audit-screen")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/profile",
    component: screen(undefined, () => import("@/features/profile/ui/profile-screen")),
  }),
] as const;

export const router = createRouter({
  routeTree: root.addChildren(routes),
  defaultPreload: "intent",
  scrollRestoration: true,
  defaultPendingComponent: () => <LoadingState />,
  defaultErrorComponent: ({ error, reset }) => <ErrorState error={error} onRetry={reset} />,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
