import { Link } from "@tanstack/react-router";
import { useCallback } from "react";
import { query, queryClient } from "@/shared/api/client";
import { State } from "@/shared/commands/command-state";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { usePermission } from "@/shared/session/session";
import { useLatestWanted, useMetrics, useOnEvents, useStates } from "@/shared/streams/hooks";
import type { LiveDevice } from "@/shared/streams/shapes";
import { live } from "@/shared/streams/live";
import { useFromNow } from "@/shared/time/ticker";
import { LiveValue } from "@/shared/ui/live-value";
import { Await } from "@/shared/ui/states";
import { Badge, Status, StatusShape } from "@/shared/ui/status";
import type { Tone } from "@/shared/ui/status";
import type { WidgetOf } from "../../model/document";
import { dashboardTexts } from "../../texts";

const SEVERITY: Record<string, Tone> = { critical: "bad", warning: "warn", info: "info" };

type Choice = { device_ids?: string[]; groups?: string[] } | undefined;

function isChosen(choice: Choice, deviceId: string, device: LiveDevice | undefined): boolean {
  const ids = choice?.device_ids ?? [];
  const groups = choice?.groups ?? [];
  if (ids.length === 0 && groups.length === 0) return true;
  return ids.includes(deviceId) || (device?.groups.some((group) => groups.includes(group)) ?? false);
}

function Ago({ at }: { at: number }) {
  const format = useFormat();
  return <span className="figures shrink-0 text-xs text-ink-faint">{useFromNow(() => format.ago(Math.min(at, live.serverNow()), live.serverNow()))}</span>;
}

/** The latest alarms; they move as they happen. */
export function AlertsWidget({ widget }: { widget: WidgetOf<"alerts"> }) {
  const t = useText(dashboardTexts);
  const isAllowed = usePermission("alerts:read");
  return isAllowed ? <Alarms widget={widget} /> : <p className="text-sm text-ink-soft">{t("noAccess")}</p>;
}

function Alarms({ widget }: { widget: WidgetOf<"alerts"> }) {
  const t = useText(dashboardTexts);
  const devices = useStates("devices");
  const asked = query.useQuery("get", "/api/alerts", {
    params: {
      query: {
        limit: widget.limit ?? 10,
        ...(widget.severity === undefined || widget.severity.length === 0 ? {} : { severity: widget.severity }),
        ...(widget.states === undefined || widget.states.length === 0 ? {} : { state: widget.states }),
      },
    },
  });
  useOnEvents(
    "alerts",
    useCallback(() => void queryClient.invalidateQueries({ queryKey: ["get", "/api/alerts"] }), []),
  );
  return (
    <Await asked={asked}>
      {({ items }) => {
        const shown = items.filter((item) => isChosen(widget.choice, item.device_id, devices.get(item.device_id)));
        if (shown.length === 0) return <p className="flex items-center gap-2 text-sm text-ink-soft"><StatusShape tone="ok" />{t("noAlerts")}</p>;
        return (
          <ul className="divide-y divide-line">
            {shown.map((item) => (
              <li key={item.id} className="flex min-h-row items-center gap-3 py-1.5">
                {item.state === "cleared" ? (
                  <Badge tone="mute">{t("cleared")}</Badge>
                ) : (
                  <Badge tone={SEVERITY[item.severity] ?? "info"}>{t(item.severity)}</Badge>
                )}
                <span className="min-w-0 grow">
                  <span className="block truncate">{item.message}</span>
                  <span className="block truncate text-xs text-ink-faint">
                    {item.device_id}
                    {item.state === "acknowledged" && `, ${t("acknowledged")}`}
                  </span>
                </span>
                <Ago at={Date.parse(item.raised_at)} />
              </li>
            ))}
          </ul>
        );
      }}
    </Await>
  );
}

/** Devices with their state, a value and what they still hold. */
export function DevicesWidget({ widget }: { widget: WidgetOf<"devices"> }) {
  const t = useText(dashboardTexts);
  const format = useFormat();
  const devices = useStates("devices");
  const shown = [...devices]
    .filter(([id, device]) => isChosen(widget.choice, id, device))
    .sort(([, a], [, b]) => (a.status === b.status ? a.name.localeCompare(b.name) : a.status === "OFFLINE" ? -1 : 1))
    .slice(0, widget.limit ?? 20);
  useLatestWanted(shown.map(([id]) => id));
  if (shown.length === 0) return <p className="text-sm text-ink-soft">{t("noDevices")}</p>;
  return (
    <ul className="divide-y divide-line">
      {shown.map(([id, device]) => (
        <li key={id} className="flex min-h-row items-center gap-3 py-1">
          <span className="w-24 shrink-0">
            <Status tone={device.is_active ? (device.status === "ONLINE" ? "ok" : "warn") : "mute"}>
              {t(device.is_active ? (device.status === "ONLINE" ? "online" : "offline") : "disabled")}
            </Status>
          </span>
          <Link to="/devices/$deviceId" params={{ deviceId: id }} className="min-w-0 grow truncate font-medium hover:underline">
            {device.name}
          </Link>
          {(device.buffered ?? 0) > 0 && (
            <span className="figures shrink-0 text-xs text-ink-soft">{t("buffered", { count: format.number(device.buffered ?? 0) })}</span>
          )}
          <span className="w-40 shrink-0 truncate text-right"><FirstValue deviceId={id} /></span>
        </li>
      ))}
    </ul>
  );
}

function FirstValue({ deviceId }: { deviceId: string }) {
  const [metric] = useMetrics(deviceId);
  if (metric === undefined) return null;
  return (
    <span className="inline-flex items-baseline gap-2">
      <span className="truncate text-xs text-ink-faint">{metric}</span>
      <LiveValue deviceId={deviceId} metric={metric} />
    </span>
  );
}

/** Latest values: a row for each source, or for each chosen device with these metrics. */
export function TableWidget({ widget }: { widget: WidgetOf<"table"> }) {
  const t = useText(dashboardTexts);
  const devices = useStates("devices");
  const metrics = widget.metrics ?? [];
  const chosen = widget.choice == null
    ? []
    : [...devices].filter(([id, device]) => isChosen(widget.choice ?? undefined, id, device)).map(([id]) => id);
  const rows = [
    ...(widget.sources ?? []).map((source) => ({ id: source.device_id, label: source.label ?? source.device_id, metrics: [source.metric] })),
    ...chosen.map((id) => ({ id, label: devices.get(id)?.name ?? id, metrics })),
  ].slice(0, widget.limit ?? 50);
  useLatestWanted([...new Set(rows.map((row) => row.id))]);
  if (rows.length === 0) return <p className="text-sm text-ink-soft">{t("noSeries")}</p>;
  return (
    <ul className="divide-y divide-line">
      {rows.map((row) => (
        <li key={`${row.id} ${row.metrics.join()}`} className="flex min-h-row items-center gap-4 py-1">
          <span className="min-w-0 grow truncate font-medium">{row.label}</span>
          {row.metrics.map((metric) => (
            <span key={metric} className="flex w-36 shrink-0 flex-col text-right">
              <span className="truncate text-xs text-ink-faint">{metric}</span>
              <LiveValue deviceId={row.id} metric={metric} />
            </span>
          ))}
        </li>
      ))}
    </ul>
  );
}

/** The latest commands and how they ended. */
export function CommandsWidget({ widget }: { widget: WidgetOf<"commands"> }) {
  const t = useText(dashboardTexts);
  const isAllowed = usePermission("commands:read");
  return isAllowed ? <Commands widget={widget} /> : <p className="text-sm text-ink-soft">{t("noAccess")}</p>;
}

function Commands({ widget }: { widget: WidgetOf<"commands"> }) {
  const t = useText(dashboardTexts);
  const devices = useStates("devices");
  const asked = query.useQuery("get", "/api/commands", { params: { query: { limit: widget.limit ?? 10 } } });
  useOnEvents(
    "commands",
    useCallback(() => void queryClient.invalidateQueries({ queryKey: ["get", "/api/commands"] }), []),
  );
  return (
    <Await asked={asked}>
      {({ items }) => {
        const shown = items.filter((item) => isChosen(widget.choice, item.device_id, devices.get(item.device_id)));
        if (shown.length === 0) return <p className="text-sm text-ink-soft">{t("noCommands")}</p>;
        return (
          <ul className="divide-y divide-line">
            {shown.map((item) => (
              <li key={item.id} className="flex min-h-row items-center gap-3 py-1">
                <span className="min-w-0 grow truncate">
                  <span className="font-medium">{item.name}</span> <span className="text-ink-faint">{item.device_id}</span>
                </span>
                <State state={item.state} progress={item.progress} name={item.name} />
              </li>
            ))}
          </ul>
        );
      }}
    </Await>
  );
}
