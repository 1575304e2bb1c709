import { useId, useMemo, useState } from "react";
import type { ReactNode } from "react";
import { useText } from "@/shared/i18n/messages";
import { useStates } from "@/shared/streams/hooks";
import { Button } from "@/shared/ui/button";
import { Dialog } from "@/shared/ui/dialog";
import { Field, Input, Select, TextArea } from "@/shared/ui/field";
import { Panel } from "@/shared/ui/panel";
import { PickList } from "@/shared/ui/pick-list";
import { PERIODS, SPANS, USUAL_SPAN, zoneOf } from "../model/filters";
import type { Kind, ReportFilters } from "../model/filters";
import { entriesOf } from "../model/schedule-draft";
import { reportTexts } from "../texts";
import type { ReportItem } from "./report-view";

const OWN_DAYS = "own";

/** Every zone that the browser knows, with those that must be there. */
export function useZones(...wanted: readonly string[]): readonly string[] {
  const key = wanted.join(" ");
  return useMemo(() => [...new Set([...key.split(" "), "UTC", ...Intl.supportedValuesOf("timeZone")])], [key]);
}

/** Which report, of which days, of what; and what can be done with it. */
export function Choice({ kinds, kind, filters, onChoose, actions }: {
  kinds: readonly ReportItem[];
  kind: Kind | undefined;
  filters: ReportFilters;
  onChoose: (change: Record<string, unknown>) => void;
  actions: ReactNode;
}) {
  const t = useText(reportTexts);
  const [isChoosing, setChoosing] = useState(false);
  const zone = zoneOf(filters.tz);
  const zones = useZones(zone);
  const hasOwnDays = filters.from !== undefined;
  const chosen = (filters.devices?.length ?? 0) + (filters.groups?.length ?? 0) + (kind === "metrics" ? (filters.metrics?.length ?? 0) : 0);
  return (
    <Panel>
      <div className="grid items-end gap-3 sm:grid-cols-2 lg:grid-cols-4">
        <Field label={t("kind")}>
          {(control) => (
            <Select {...control} value={kind ?? ""} onChange={(event) => { onChoose({ kind: event.target.value }); }}>
              {kinds.map((one) => (
                <option key={one.kind} value={one.kind} disabled={!one.may_read}>{t(one.kind)}</option>
              ))}
            </Select>
          )}
        </Field>
        <Field label={t("range")}>
          {(control) => (
            <Select
              {...control}
              value={hasOwnDays ? OWN_DAYS : String(filters.days ?? USUAL_SPAN)}
              onChange={(event) => {
                const today = new Date().toLocaleDateString("sv-SE", { timeZone: zone });
                if (event.target.value === OWN_DAYS) onChoose({ days: undefined, from: today, to: today });
                else onChoose({ days: event.target.value, from: undefined, to: undefined });
              }}
            >
              {SPANS.map((days) => <option key={days} value={days}>{t("lastDays", { count: days })}</option>)}
              <option value={OWN_DAYS}>{t("ownDays")}</option>
            </Select>
          )}
        </Field>
        {hasOwnDays && <Days key={`${filters.from ?? ""} ${filters.to ?? ""}`} filters={filters} onChoose={onChoose} />}
        {kind === "metrics" && (
          <Field label={t("period")}>
            {(control) => (
              <Select {...control} value={filters.period ?? "day"} onChange={(event) => { onChoose({ period: event.target.value }); }}>
                {PERIODS.map((one) => <option key={one} value={one}>{t(one)}</option>)}
              </Select>
            )}
          </Field>
        )}
        <Field label={t("zone")}>
          {(control) => (
            <Select {...control} value={zone} onChange={(event) => { onChoose({ tz: event.target.value }); }}>
              {zones.map((one) => <option key={one}>{one}</option>)}
            </Select>
          )}
        </Field>
      </div>
      <div className="mt-3 flex flex-wrap items-center gap-2">
        <Button onClick={() => { setChoosing(true); }}>{chosen === 0 ? t("ofAll") : t("ofChosen", { count: chosen })}</Button>
        <span className="grow" />
        {actions}
      </div>
      {isChoosing && (
        <OfWhat
          filters={filters}
          hasMetrics={kind === "metrics"}
          onClose={() => { setChoosing(false); }}
          onChoose={(change) => {
            setChoosing(false);
            onChoose(change);
          }}
        />
      )}
    </Panel>
  );
}

/** Two days; a report is asked for when both make sense. */
function Days({ filters, onChoose }: { filters: ReportFilters; onChoose: (change: Record<string, unknown>) => void }) {
  const t = useText(reportTexts);
  const [from, setFrom] = useState(filters.from ?? "");
  const [to, setTo] = useState(filters.to ?? "");
  const take = (): void => {
    if (from !== "" && to !== "" && from <= to) onChoose({ from, to, days: undefined });
  };
  const isTurned = from > to && to !== "";
  return (
    <>
      <Field label={t("from")}>
        {(control) => <Input {...control} type="date" value={from} onBlur={take} onChange={(event) => { setFrom(event.target.value); }} />}
      </Field>
      <Field label={t("to")} error={isTurned ? t("turned") : undefined}>
        {(control) => <Input {...control} type="date" value={to} onBlur={take} onChange={(event) => { setTo(event.target.value); }} />}
      </Field>
    </>
  );
}

function OfWhat({ filters, hasMetrics, onChoose, onClose }: {
  filters: ReportFilters;
  hasMetrics: boolean;
  onChoose: (change: Record<string, unknown>) => void;
  onClose: () => void;
}) {
  const t = useText(reportTexts);
  const form = useId();
  const [devices, setDevices] = useState<readonly string[]>(filters.devices ?? []);
  const [groups, setGroups] = useState<readonly string[]>(filters.groups ?? []);
  const [metrics, setMetrics] = useState((filters.metrics ?? []).join("\n"));
  return (
    <Dialog
      isOpen
      onClose={onClose}
      width="side"
      title={t("ofWhat")}
      description={t("ofWhatHint")}
      actions={
        <>
          <Button
            onClick={() => {
              setDevices([]);
              setGroups([]);
              setMetrics("");
            }}
          >
            {t("ofAll")}
          </Button>
          <Button tone="primary" type="submit" form={form}>{t("take")}</Button>
        </>
      }
    >
      <form
        id={form}
        className="flex flex-col gap-5"
        onSubmit={(event) => {
          event.preventDefault();
          onChoose({ devices, groups, metrics: entriesOf(metrics) });
        }}
      >
        <DevicePicks devices={devices} onDevices={setDevices} groups={groups} onGroups={setGroups} />
        {hasMetrics && (
          <Field label={t("metricNames")} hint={t("metricsHint")}>
            {(control) => <TextArea {...control} value={metrics} spellCheck={false} onChange={(event) => { setMetrics(event.target.value); }} />}
          </Field>
        )}
      </form>
    </Dialog>
  );
}

/** Devices by name, and groups; with nothing chosen it is all. */
export function DevicePicks({ devices, onDevices, groups, onGroups }: {
  devices: readonly string[];
  onDevices: (devices: string[]) => void;
  groups: readonly string[];
  onGroups: (groups: string[]) => void;
}) {
  const t = useText(reportTexts);
  const known = useStates("devices");
  const picks = useMemo(
    () => [...known].map(([id, { name }]) => ({ id, label: name === id ? name : `${name} (${id})` })).sort((a, b) => a.label.localeCompare(b.label)),
    [known],
  );
  const named = useMemo(
    () => [...new Set([...known.values()].flatMap((device) => device.groups))].sort().map((group) => ({ id: group, label: group })),
    [known],
  );
  return (
    <>
      <PickList label={t("devices")} picks={picks} chosen={devices} onChange={onDevices} />
      {(named.length > 0 || groups.length > 0) && <PickList label={t("groups")} picks={named} chosen={groups} onChange={onGroups} />}
    </>
  );
}
