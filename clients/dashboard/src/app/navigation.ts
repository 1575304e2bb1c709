import { Bell, ChartSpline, FileChartColumn, Gauge, RefreshCw, Router, ScrollText, SlidersHorizontal, SquareTerminal, Users } from "lucide-react";
import type { LucideIcon } from "lucide-react";
import { lazy } from "react";
import type { ComponentType } from "react";
import type { Permission } from "@/shared/session/permission";
import type { screenTexts } from "./texts";

/** A screen in the navigation and in the palette; it is there for whoever has the right. */
export interface Destination {
  readonly to: string;
  readonly text: keyof typeof screenTexts.en;
  readonly icon: LucideIcon;
  readonly permission: Permission | undefined;
  readonly group: "operate" | "administer";
  /** A figure behind the name, for what must not be missed. */
  readonly badge?: ComponentType;
}

const OpenAlarms = lazy(() => import("@/features/alerts/ui/open-badge").then((module) => ({ default: module.OpenBadge })));

export const DESTINATIONS: readonly Destination[] = [
  { to: "/", text: "dashboard", icon: Gauge, permission: undefined, group: "operate" },
  { to: "/devices", text: "devices", icon: Router, permission: "devices:read", group: "operate" },
  { to: "/alerts", text: "alerts", icon: Bell, permission: "alerts:read", group: "operate", badge: OpenAlarms },
  { to: "/commands", text: "commands", icon: SquareTerminal, permission: "commands:read", group: "operate" },
  { to: "/history", text: "history", icon: ChartSpline, permission: "telemetry:read", group: "operate" },
  { to: "/reports", text: "reports", icon: FileChartColumn, permission: "reports:read", group: "operate" },
  { to: "/config", text: "config", icon: SlidersHorizontal, permission: "config:read", group: "administer" },
  { to: "/users", text: "users", icon: Users, permission: "users:read", group: "administer" },
  { to: "/sync", text: "sync", icon: RefreshCw, permission: "sync:read", group: "administer" },
  { to: "/audit", text: "audit", icon: ScrollText, permission: "audit:read", group: "administer" },
];
