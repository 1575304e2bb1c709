import { keepPreviousData } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { query } from "@/shared/api/client";
import { useText } from "@/shared/i18n/messages";
import { useStates } from "@/shared/streams/hooks";
import { Field, Input, Select } from "@/shared/ui/field";
import { Panel } from "@/shared/ui/panel";
import { PickList } from "@/shared/ui/pick-list";
import { AGGREGATES, FILLS, INTERVALS, PRESETS, USUAL, asSearch, localField, namesOf } from "../model/filters";
import type { HistoryFilters, Preset, Stretch } from "../model/filters";
import { zoneOf } from "../model/asked";
import { historyTexts } from "../texts";

/** As many devices as a page of the service holds, and as one question may be about. */
const MOST_DEVICES = 200;

interface Choosing {
  readonly filters: HistoryFilters;
  readonly stretch: Stretch;
  readonly onChange: (change: Record<string, unknown>, isReplaced?: boolean) => void;
}

/** What is looked at, over which stretch, and how closely. */
export function Selection({ filters, stretch, onChange }: Choosing) {
  return (
    <Panel className="mb-4">
      <div className="flex flex-col gap-4">
        <What filters={filters} onChange={onChange} />
        <When key={`${String(stretch.from)} ${String(stretch.to)}`} filters={filters} stretch={stretch} onChange={onChange} />
        {filters.tab === undefined && <How filters={filters} onChange={onChange} />}
      </div>
    </Panel>
  );
}

function What({ filters, onChange }: Omit<Choosing, "stretch">) {
  const t = useText(historyTexts);
  const devices = useStates("devices");
  const deviceIds = namesOf(filters.devices);
  const metrics = namesOf(filters.metrics);
  const [isOpen, setOpen] = useState(deviceIds.length === 0);
  const latest = query.useQuery(
    "get",
    "/api/telemetry/latest",
    { params: { query: { device_ids: deviceIds.slice(0, MOST_DEVICES), limit: MOST_DEVICES } } },
    { enabled: deviceIds.length > 0, placeholderData: keepPreviousData },
  );
  const devicePicks = useMemo(
    () => [...devices].map(([id, device]) => ({ id, label: device.name })).sort((a, b) => a.label.localeCompare(b.label)),
    [devices],
  );
  const known = latest.data?.items;
  const metricPicks = useMemo(
    () => [...new Set((known ?? []).map((item) => item.metric))].sort().map((id) => ({ id, label: id })),
    [known],
  );
  const chosen =
    deviceIds.length === 0
      ? ""
      : t("chosen", {
          devices: deviceIds.length === 1 ? (devices.get(deviceIds[0] ?? "")?.name ?? deviceIds[0] ?? "") : t("devicesChosen", { count: deviceIds.length }),
          metrics: metrics.length === 0 ? t("allMetrics") : metrics.length <= 3 ? metrics.join(", ") : t("metricsChosen", { count: metrics.length }),
        });
  return (
    <details
      open={isOpen || deviceIds.length === 0}
      onToggle={(event) => {
        setOpen(event.currentTarget.open);
      }}
    >
      <summary className="min-h-6 cursor-pointer text-sm">
        <span className="font-medium">{t("what")}</span>
        <span className="ml-3 text-ink-soft">{chosen}</span>
      </summary>
      <div className="mt-3 grid gap-4 md:grid-cols-2">
        <PickList
          isSteady
          label={t("devices")}
          picks={devicePicks}
          chosen={deviceIds}
          onChange={(ids) => {
            onChange({ devices: ids.slice(0, MOST_DEVICES).join(",") });
          }}
        />
        <PickList
          isSteady
          label={t("metrics")}
          hint={t(deviceIds.length === 0 ? "devicesFirst" : "metricsHint")}
          picks={deviceIds.length === 0 ? [] : metricPicks}
          chosen={metrics}
          onChange={(keys) => {
            onChange({ metrics: keys.join(",") });
          }}
        />
      </div>
    </details>
  );
}

const GRID = "grid items-start gap-3 sm:grid-cols-2 lg:grid-cols-4";

function When({ filters, stretch, onChange }: Choosing) {
  const t = useText(historyTexts);
  const [from, setFrom] = useState(localField(stretch.from));
  const [to, setTo] = useState(localField(stretch.to));
  const isFixed = filters.from !== undefined;
  const isWrong = !(Date.parse(from) < Date.parse(to));
  const zones = useMemo(() => [...new Set([zoneOf(filters), "UTC", ...Intl.supportedValuesOf("timeZone")])], [filters]);
  const take = (): void => {
    const isSame = from === localField(stretch.from) && to === localField(stretch.to);
    if (!isWrong && !isSame) onChange(asSearch({ from: Date.parse(from), to: Date.parse(to) }));
  };
  // What is typed counts when the field is left, or at Enter: half a date is no date.
  const typed = (set: (text: string) => void) => ({
    type: "datetime-local",
    step: 1,
    onChange: (event: { target: { value: string } }): void => {
      set(event.target.value);
    },
    onBlur: take,
    onKeyDown: (event: { key: string }): void => {
      if (event.key === "Enter") take();
    },
  });
  return (
    <div className={GRID}>
      <Field label={t("range")}>
        {(control) => (
          <Select
            {...control}
            value={isFixed ? "" : (filters.range ?? USUAL)}
            onChange={(event) => {
              if (event.target.value !== "") onChange({ range: event.target.value, from: undefined, to: undefined });
              else onChange(asSearch(stretch));
            }}
          >
            {(Object.keys(PRESETS) as Preset[]).map((preset) => (
              <option key={preset} value={preset}>{t(`last${preset}`)}</option>
            ))}
            <option value="">{t("custom")}</option>
          </Select>
        )}
      </Field>
      <Field label={t("from")}>{(control) => <Input {...control} {...typed(setFrom)} value={from} />}</Field>
      <Field label={t("to")} error={isWrong ? t("wrongRange") : undefined}>
        {(control) => <Input {...control} {...typed(setTo)} value={to} />}
      </Field>
      <Field label={t("zone")} hint={t("zoneHint")}>
        {(control) => (
          <Select {...control} value={zoneOf(filters)} onChange={(event) => { onChange({ tz: event.target.value }); }}>
            {zones.map((zone) => (
              <option key={zone}>{zone}</option>
            ))}
          </Select>
        )}
      </Field>
    </div>
  );
}

function How({ filters, onChange }: Omit<Choosing, "stretch">) {
  const t = useText(historyTexts);
  const { interval, agg = "avg", fill = "null", view } = filters;
  const intervals = interval === undefined || (INTERVALS as readonly string[]).includes(interval) ? INTERVALS : [...INTERVALS, interval];
  return (
    <div className={`${GRID} grid-cols-2`}>
      <Field label={t("resolution")}>
        {(control) => (
          <Select {...control} value={interval ?? ""} onChange={(event) => { onChange({ interval: event.target.value }); }}>
            <option value="">{t("automatic")}</option>
            {intervals.map((one) => (
              <option key={one} value={one}>{t("every", { interval: one })}</option>
            ))}
          </Select>
        )}
      </Field>
      {interval !== undefined && (
        <>
          <Field label={t("aggregate")}>
            {(control) => (
              <Select {...control} value={agg} onChange={(event) => { onChange({ agg: event.target.value }); }}>
                {AGGREGATES.map((one) => (
                  <option key={one} value={one}>{t(one)}</option>
                ))}
              </Select>
            )}
          </Field>
          <Field label={t("fill")}>
            {(control) => (
              <Select {...control} value={fill} onChange={(event) => { onChange({ fill: event.target.value }); }}>
                {FILLS.map((one) => (
                  <option key={one} value={one}>{t(`fill_${one}`)}</option>
                ))}
              </Select>
            )}
          </Field>
        </>
      )}
      <Field label={t("view")}>
        {(control) => (
          <Select {...control} value={view ?? ""} onChange={(event) => { onChange({ view: event.target.value }); }}>
            <option value="">{t("each")}</option>
            <option value="together">{t("together")}</option>
          </Select>
        )}
      </Field>
    </div>
  );
}
