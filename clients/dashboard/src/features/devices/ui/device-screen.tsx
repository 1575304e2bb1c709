import { Link, getRouteApi } from "@tanstack/react-router";
import { Pencil } from "lucide-react";
import { lazy, Suspense, useEffect, useState } from "react";
import type { ReactNode } from "react";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { usePermission } from "@/shared/session/session";
import { useLatestWanted, useMetrics, useRhythm, useStateOf, useUpdatedAt } from "@/shared/streams/hooks";
import type { LiveDevice } from "@/shared/streams/shapes";
import { telemetry } from "@/shared/streams/live";
import { ActionButton } from "@/shared/ui/button";
import { LiveValue } from "@/shared/ui/live-value";
import { Facts, PageHeader, Panel } from "@/shared/ui/panel";
import { EmptyState, LoadingState, Skeleton } from "@/shared/ui/states";
import { Badge } from "@/shared/ui/status";
import { standingOf } from "../model/device-status";
import { accessTexts } from "../access-texts";
import { deviceTexts } from "../texts";
import { Access } from "./access";
import { Completeness } from "./completeness";
import { Credentials } from "./credentials";
import { LatestCommands } from "./latest-commands";
import { OwnSettings } from "./own-settings";
import { Presence } from "./presence";
import { Seen } from "./seen";

const route = getRouteApi("/devices/$deviceId");
/** The first values are there by then; a device that sent some but has none by then, has none. */
const VALUES_WAIT_MS = 3_000;
const EditDevice = lazy(() => import("./edit-device").then((module) => ({ default: module.EditDevice })));
/** The chart library is the heaviest part of the screen: the values are there before it. */
const Curve = lazy(() => import("./curve").then((module) => ({ default: module.Curve })));

/** One device: what it says now, and how far it can be believed. */
export function Screen(): ReactNode {
  const t = useText(deviceTexts);
  const { deviceId } = route.useParams();
  const device = useStateOf("devices", deviceId);
  const isKnown = useUpdatedAt("devices") !== undefined;
  if (device === undefined) return isKnown ? <EmptyState title={t("gone")} action={<BackLink />} /> : <LoadingState />;
  return <Device deviceId={deviceId} device={device} />;
}

function BackLink() {
  const t = useText(deviceTexts);
  return (
    <Link to="/devices" className="text-sm font-medium text-accent hover:underline">
      {t("back")}
    </Link>
  );
}

function Device({ deviceId, device }: { deviceId: string; device: LiveDevice }) {
  const t = useText(deviceTexts);
  const { tone, text } = standingOf(device);
  return (
    <>
      <PageHeader
        title={
          <span className="flex min-w-0 items-center gap-3">
            <span className="truncate">{device.name}</span>
            <Badge tone={tone}>{t(text)}</Badge>
          </span>
        }
        description={<BackLink />}
        actions={
          <>
            <Elsewhere deviceId={deviceId} />
            <Edit deviceId={deviceId} />
          </>
        }
      />
      <div className="grid gap-4 xl:grid-cols-[2fr_1fr]">
        <Values deviceId={deviceId} hasSent={device.last_seen !== null} />
        <div className="grid content-start gap-4 md:grid-cols-2 xl:grid-cols-1">
          <Completeness deviceId={deviceId} device={device} />
          <Presence deviceId={deviceId} />
          <LatestCommands deviceId={deviceId} />
          <OwnSettings deviceId={deviceId} />
          <Credentials deviceId={deviceId} />
          <Access deviceId={deviceId} />
          <About deviceId={deviceId} device={device} />
        </div>
      </div>
    </>
  );
}

function Edit({ deviceId }: { deviceId: string }) {
  const t = useText(accessTexts);
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <ActionButton permission="devices:write" icon={<Pencil className="size-4" aria-hidden />} onClick={() => { setOpen(true); }}>
        {t("edit")}
      </ActionButton>
      {isOpen && (
        <Suspense fallback={null}>
          <EditDevice deviceId={deviceId} onClose={() => { setOpen(false); }} />
        </Suspense>
      )}
    </>
  );
}

const LINK = "inline-flex h-control items-center rounded-md border border-line-strong/60 bg-surface px-3 text-sm font-medium hover:bg-sunken";

/** The screens that have more about this device, for whoever may see them. */
function Elsewhere({ deviceId }: { deviceId: string }) {
  const t = useText(deviceTexts);
  const hasHistory = usePermission("telemetry:read");
  const hasCommands = usePermission("commands:read");
  const hasConfig = usePermission("config:read");
  return (
    <>
      {hasHistory && (
        <Link to="/history" search={{ devices: deviceId }} className={LINK}>
          {t("history")}
        </Link>
      )}
      {hasCommands && (
        <Link to="/commands" search={{ device: deviceId }} className={LINK}>
          {t("sendCommand")}
        </Link>
      )}
      {hasConfig && (
        <Link to="/config" search={{ tab: "device", device: deviceId }} className={LINK}>
          {t("config")}
        </Link>
      )}
    </>
  );
}

function Values({ deviceId, hasSent }: { deviceId: string; hasSent: boolean }) {
  const t = useText(deviceTexts);
  const metrics = useMetrics(deviceId);
  useLatestWanted([deviceId]);
  const [isWaiting, setWaiting] = useState(hasSent);
  useEffect(() => {
    const timer = setTimeout(() => { setWaiting(false); }, VALUES_WAIT_MS);
    return () => {
      clearTimeout(timer);
    };
  }, []);
  return (
    <div className="flex min-w-0 flex-col gap-4">
      <Panel title={t("values")}>
        {metrics.length === 0 ? (
          isWaiting ? <Skeleton className="h-16" /> : <EmptyState title={t("noValues")}>{t("noValuesHint")}</EmptyState>
        ) : (
          <dl className="grid grid-cols-[repeat(auto-fill,minmax(min(10rem,100%),1fr))] gap-x-4 gap-y-3">
            {metrics.map((metric) => (
              <div key={metric} className="min-w-0">
                <dt className="truncate text-xs text-ink-soft">{metric}</dt>
                <dd className="text-lg font-semibold">
                  <LiveValue deviceId={deviceId} metric={metric} isNoteBelow />
                </dd>
              </div>
            ))}
          </dl>
        )}
      </Panel>
      <Suspense fallback={<Skeleton className="h-84" />}>
        <Curve deviceId={deviceId} metrics={metrics.filter((metric) => typeof telemetry.sample(deviceId, metric)?.value === "number")} />
      </Suspense>
    </div>
  );
}

function About({ deviceId, device }: { deviceId: string; device: LiveDevice }) {
  const t = useText(deviceTexts);
  const format = useFormat();
  return (
    <Panel title={t("facts")}>
      <Facts
        facts={[
          [t("id"), deviceId],
          [t("kind"), device.kind],
          [t("groups"), device.groups.join(", ") || "—"],
          [t("seen"), <Seen key="seen" deviceId={deviceId} at={device.last_seen} />],
          [t("rhythm"), <Rhythm key="rhythm" deviceId={deviceId} />],
          [t("agent"), device.agent_version ?? "—"],
          [t("clock"), device.clock_offset_ms === null ? "—" : `${format.number(device.clock_offset_ms)} ms`],
        ]}
      />
    </Panel>
  );
}

const TENTH_MS = 100;

/** How often the device measures, as its readings tell. */
function Rhythm({ deviceId }: { deviceId: string }) {
  const t = useText(deviceTexts);
  const format = useFormat();
  const interval = useRhythm(deviceId);
  if (interval === undefined) return "—";
  // To a tenth; what is faster than that, to a hundredth.
  const steps = interval < TENTH_MS ? 100 : 10;
  const seconds = Math.round((interval / 1_000) * steps) / steps;
  return t("seconds", { count: format.number(seconds, Number.isInteger(seconds) ? 0 : Math.log10(steps)) });
}
