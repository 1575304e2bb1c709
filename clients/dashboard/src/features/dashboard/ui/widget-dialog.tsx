import { Plus, X } from "lucide-react";
import { useId, useState } from "react";
import { randomId } from "@/shared/api/random-id";
import { useText } from "@/shared/i18n/messages";
import { useLatestWanted, useMetrics, useStates } from "@/shared/streams/hooks";
import { Button, IconButton } from "@/shared/ui/button";
import { Dialog } from "@/shared/ui/dialog";
import { Field, Input, Select, TextArea } from "@/shared/ui/field";
import { uiTexts } from "@/shared/ui/texts";
import { sourcesOf } from "../model/document";
import type { Widget, WidgetKind, WidgetSource } from "../model/document";
import { dashboardTexts } from "../texts";
import { KIND_TEXT } from "./widget-card";

const KINDS = Object.keys(KIND_TEXT) as WidgetKind[];
const STYLES = { line: "styleLine", area: "styleArea", step: "styleStep", bars: "styleBars", points: "stylePoints" } as const;
const WINDOW_MINUTES = [1, 5, 15, 60, 360, 1440] as const;
const MOST_SERIES = 8;

/** What the form holds, whatever the kind: each kind takes its part. */
interface Draft {
  readonly id: string;
  readonly kind: WidgetKind;
  readonly title: string;
  readonly sources: readonly WidgetSource[];
  readonly unit: string;
  readonly low: number;
  readonly high: number;
  readonly windowSeconds: number;
  readonly style: keyof typeof STYLES;
  readonly alarmOn: "" | "on" | "off";
  readonly text: string;
}

function draftOf(widget: Widget | undefined): Draft {
  const empty: Draft = {
    id: widget?.id ?? randomId(),
    kind: widget?.kind ?? "chart",
    title: widget?.title ?? "",
    sources: widget === undefined ? [] : sourcesOf(widget),
    unit: "",
    low: 0,
    high: 100,
    windowSeconds: 300,
    style: "line",
    alarmOn: "",
    text: "",
  };
  switch (widget?.kind) {
    case "value":
      return { ...empty, unit: widget.unit ?? "" };
    case "gauge":
      return { ...empty, unit: widget.unit ?? "", low: widget.low ?? 0, high: widget.high ?? 100 };
    case "chart":
      return { ...empty, windowSeconds: widget.window_seconds ?? 300, style: widget.style ?? "line" };
    case "indicator":
      return { ...empty, alarmOn: widget.alarm_on == null ? "" : widget.alarm_on ? "on" : "off" };
    case "text":
      return { ...empty, text: widget.text };
    default:
      return empty;
  }
}

/** The widget that a draft describes, over what it was; undefined while something is missing. */
function widgetOf(draft: Draft, before: Widget | undefined): Widget | undefined {
  const same = before?.kind === draft.kind ? before : undefined;
  const head = { id: draft.id, title: draft.title === "" ? null : draft.title };
  const [source] = draft.sources;
  const unit = draft.unit === "" ? null : draft.unit;
  switch (draft.kind) {
    case "kpi":
      return { figures: ["active_devices", "buffered_records", "system_status", "last_sync"], ...(same as object), ...head, kind: "kpi" };
    case "chart":
      return draft.sources.length === 0
        ? undefined
        : {
            ...(same as object),
            ...head,
            kind: "chart",
            series: draft.sources.map((one, index) => ({ color: index, axis: "left", ...one })),
            style: draft.style,
            window_seconds: draft.windowSeconds,
          };
    case "value":
      return source === undefined ? undefined : { ...(same as object), ...head, kind: "value", source, unit };
    case "gauge":
      return source === undefined || draft.low >= draft.high
        ? undefined
        : { ...(same as object), ...head, kind: "gauge", source, unit, low: draft.low, high: draft.high };
    case "indicator":
      return source === undefined
        ? undefined
        : { ...(same as object), ...head, kind: "indicator", source, alarm_on: draft.alarmOn === "" ? null : draft.alarmOn === "on" };
    case "table":
      return draft.sources.length === 0 ? undefined : { ...(same as object), ...head, kind: "table", sources: [...draft.sources] };
    case "text":
      return { ...(same as object), ...head, kind: "text", text: draft.text };
    default:
      return { ...(same as object), ...head, kind: draft.kind };
  }
}

/** Say what a widget shows. */
export function WidgetDialog({ widget, onPut, onClose }: {
  widget: Widget | undefined;
  onPut: (widget: Widget) => void;
  onClose: () => void;
}) {
  const t = useText(dashboardTexts);
  const ui = useText(uiTexts);
  const form = useId();
  const [draft, setDraft] = useState(() => draftOf(widget));
  const change = (part: Partial<Draft>): void => {
    setDraft((last) => ({ ...last, ...part }));
  };
  const ready = widgetOf(draft, widget);
  const { kind } = draft;
  const hasMany = kind === "chart" || kind === "table";
  const hasOne = kind === "value" || kind === "gauge" || kind === "indicator";
  return (
    <Dialog
      isOpen
      onClose={onClose}
      width="side"
      title={t(widget === undefined ? "add" : "settings")}
      actions={
        <>
          <Button onClick={onClose}>{ui("cancel")}</Button>
          <Button tone="primary" type="submit" form={form} disabled={ready === undefined}>
            {t(widget === undefined ? "add" : "save")}
          </Button>
        </>
      }
    >
      <form
        id={form}
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (ready !== undefined) onPut(ready);
        }}
      >
        {widget === undefined && (
          <Field label={t("kind")}>
            {(control) => (
              <Select {...control} value={kind} onChange={(event) => { change({ kind: event.target.value as WidgetKind }); }}>
                {KINDS.map((one) => (
                  <option key={one} value={one}>
                    {t(KIND_TEXT[one])}
                  </option>
                ))}
              </Select>
            )}
          </Field>
        )}
        <Field label={t("widgetTitle")}>
          {(control) => <Input {...control} maxLength={120} value={draft.title} onChange={(event) => { change({ title: event.target.value }); }} />}
        </Field>
        {hasMany && <SourceList sources={draft.sources} onChange={(sources) => { change({ sources }); }} />}
        {hasOne && <SourceChoice source={draft.sources[0]} onChange={(source) => { change({ sources: source === undefined ? [] : [source] }); }} />}
        {(kind === "value" || kind === "gauge") && (
          <Field label={t("unit")}>
            {(control) => <Input {...control} maxLength={16} value={draft.unit} onChange={(event) => { change({ unit: event.target.value }); }} />}
          </Field>
        )}
        {kind === "gauge" && (
          <div className="grid grid-cols-2 gap-3">
            <Field label={t("low")}>
              {(control) => <Input {...control} type="number" step="any" value={draft.low} onChange={(event) => { change({ low: event.target.valueAsNumber }); }} />}
            </Field>
            <Field label={t("high")} error={draft.low >= draft.high ? t("rangeWrong") : undefined}>
              {(control) => <Input {...control} type="number" step="any" value={draft.high} onChange={(event) => { change({ high: event.target.valueAsNumber }); }} />}
            </Field>
          </div>
        )}
        {kind === "chart" && <ChartFields draft={draft} onChange={change} />}
        {kind === "indicator" && (
          <Field label={t("alarmOn")}>
            {(control) => (
              <Select {...control} value={draft.alarmOn} onChange={(event) => { change({ alarmOn: event.target.value as Draft["alarmOn"] }); }}>
                <option value="">{t("alarmNever")}</option>
                <option value="on">{t("alarmTrue")}</option>
                <option value="off">{t("alarmFalse")}</option>
              </Select>
            )}
          </Field>
        )}
        {kind === "text" && (
          <Field label={t("text")}>
            {(control) => <TextArea {...control} maxLength={8_000} rows={6} value={draft.text} onChange={(event) => { change({ text: event.target.value }); }} />}
          </Field>
        )}
      </form>
    </Dialog>
  );
}

function ChartFields({ draft, onChange }: { draft: Draft; onChange: (part: Partial<Draft>) => void }) {
  const t = useText(dashboardTexts);
  return (
    <div className="grid grid-cols-2 gap-3">
      <Field label={t("window")}>
        {(control) => (
          <Select {...control} value={draft.windowSeconds} onChange={(event) => { onChange({ windowSeconds: Number(event.target.value) }); }}>
            {WINDOW_MINUTES.map((count) => (
              <option key={count} value={count * 60}>
                {count < 60 ? t("minutes", { count }) : t("hours", { count: count / 60 })}
              </option>
            ))}
          </Select>
        )}
      </Field>
      <Field label={t("style")}>
        {(control) => (
          <Select {...control} value={draft.style} onChange={(event) => { onChange({ style: event.target.value as Draft["style"] }); }}>
            {Object.entries(STYLES).map(([style, text]) => (
              <option key={style} value={style}>
                {t(text)}
              </option>
            ))}
          </Select>
        )}
      </Field>
    </div>
  );
}

function SourceList({ sources, onChange }: { sources: readonly WidgetSource[]; onChange: (sources: WidgetSource[]) => void }) {
  const t = useText(dashboardTexts);
  const [next, setNext] = useState<WidgetSource | undefined>();
  const isKnown = sources.some((one) => one.device_id === next?.device_id && one.metric === next.metric);
  return (
    <div className="flex flex-col gap-3">
      {sources.length > 0 && (
        <ul className="flex flex-col gap-1">
          {sources.map((source, index) => {
            const name = `${source.device_id}, ${source.metric}`;
            return (
              <li key={name} className="flex items-center gap-2 rounded-md bg-sunken pl-3 text-sm">
                <span aria-hidden className="h-0.5 w-3 rounded-full" style={{ background: `var(--series-${String(index % 8)})` }} />
                <span className="min-w-0 grow truncate">{name}</span>
                <IconButton
                  label={t("removeSeries", { name })}
                  icon={<X className="size-4" aria-hidden />}
                  onClick={() => {
                    onChange(sources.filter((one) => one !== source));
                  }}
                />
              </li>
            );
          })}
        </ul>
      )}
      <SourceChoice source={next} onChange={setNext} />
      <Button
        icon={<Plus className="size-4" aria-hidden />}
        disabled={next === undefined || isKnown || sources.length >= MOST_SERIES}
        onClick={() => {
          if (next !== undefined) onChange([...sources, next]);
        }}
      >
        {t("addSeries")}
      </Button>
    </div>
  );
}

function SourceChoice({ source, onChange }: { source: WidgetSource | undefined; onChange: (source: WidgetSource | undefined) => void }) {
  const t = useText(dashboardTexts);
  const devices = useStates("devices");
  const [chosen, setChosen] = useState(source?.device_id ?? "");
  const metrics = useMetrics(chosen);
  useLatestWanted(chosen === "" ? [] : [chosen]);
  return (
    <div className="grid grid-cols-2 gap-3">
      <Field label={t("device")}>
        {(control) => (
          <Select
            {...control}
            value={chosen}
            onChange={(event) => {
              setChosen(event.target.value);
              onChange(undefined);
            }}
          >
            <option value="" />
            {[...devices].map(([id, device]) => (
              <option key={id} value={id}>
                {device.name}
              </option>
            ))}
          </Select>
        )}
      </Field>
      <Field label={t("metric")} hint={chosen === "" ? t("noDevice") : undefined}>
        {(control) => (
          <Select
            {...control}
            disabled={chosen === ""}
            value={source?.metric ?? ""}
            onChange={(event) => {
              onChange(event.target.value === "" ? undefined : { device_id: chosen, metric: event.target.value });
            }}
          >
            <option value="" />
            {metrics.map((metric) => (
              <option key={metric}>{metric}</option>
            ))}
          </Select>
        )}
      </Field>
    </div>
  );
}
