import { useId } from "react";
import type { ReactNode } from "react";
import { usePreferences } from "@/shared/preferences/preferences";
import { useText } from "@/shared/i18n/messages";
import { Field, Input, Select } from "@/shared/ui/field";
import { TIME_UNITS } from "../../model/time-amount";
import type { TimeAmount, TimeUnit } from "../../model/time-amount";
import { formTexts } from "../../texts";

/** A part of a form with a heading of its own. */
export function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <fieldset className="flex min-w-0 flex-col gap-4 border-t border-line pt-4 first:border-t-0 first:pt-0">
      <legend className="float-left mb-0 w-full text-sm font-semibold">{title}</legend>
      {children}
    </fieldset>
  );
}

/** Fields beside one another where there is room. */
export function Beside({ children }: { children: ReactNode }) {
  return <div className="grid grid-cols-[repeat(auto-fit,minmax(min(100%,11rem),1fr))] items-start gap-3">{children}</div>;
}

/** A text of one line. */
export function TextField({ label, hint, error, value, onChange, isNumber = false, list, onFocus, placeholder }: {
  label: string;
  hint?: string | undefined;
  error?: string | undefined;
  value: string;
  onChange: (text: string) => void;
  isNumber?: boolean;
  /** Id of a list of suggestions. */
  list?: string;
  onFocus?: () => void;
  placeholder?: string;
}) {
  return (
    <Field label={label} hint={hint} error={error}>
      {(control) => (
        <Input
          {...control}
          value={value}
          inputMode={isNumber ? "decimal" : "text"}
          spellCheck={false}
          autoComplete="off"
          list={list}
          onFocus={onFocus}
          placeholder={placeholder}
          onChange={(event) => {
            onChange(event.target.value);
          }}
        />
      )}
    </Field>
  );
}

/** One of a few. */
export function ChoiceField<Choice extends string>({ label, hint, error, value, choices, onChange }: {
  label: string;
  hint?: string | undefined;
  error?: string | undefined;
  value: Choice;
  choices: readonly (readonly [value: Choice, label: string, isBlocked?: boolean])[];
  onChange: (choice: Choice) => void;
}) {
  return (
    <Field label={label} hint={hint} error={error}>
      {(control) => (
        <Select
          {...control}
          value={value}
          onChange={(event) => {
            onChange(event.target.value as Choice);
          }}
        >
          {choices.map(([choice, text, isBlocked]) => (
            <option key={choice} value={choice} disabled={isBlocked === true}>
              {text}
            </option>
          ))}
        </Select>
      )}
    </Field>
  );
}

/** A length of time: a number and its unit. */
export function TimeField({ label, hint, error, value, onChange }: {
  label: string;
  hint?: string | undefined;
  error?: string | undefined;
  value: TimeAmount;
  onChange: (value: TimeAmount) => void;
}) {
  const t = useText(formTexts);
  return (
    <Field label={label} hint={hint} error={error}>
      {(control) => (
        <div className="flex gap-2">
          <Input
            {...control}
            inputMode="decimal"
            className="min-w-0 grow basis-16"
            value={value.amount}
            onChange={(event) => {
              onChange({ ...value, amount: event.target.value });
            }}
          />
          <Select
            isInline
            aria-label={t("unitOf", { name: label })}
            value={value.unit}
            onChange={(event) => {
              onChange({ ...value, unit: event.target.value as TimeUnit });
            }}
          >
            {TIME_UNITS.map((unit) => (
              <option key={unit} value={unit}>
                {t(`unit_${unit}`)}
              </option>
            ))}
          </Select>
        </div>
      )}
    </Field>
  );
}

/** A Monday, to name the days of the week after. */
const MONDAY = Date.UTC(2024, 0, 1);
const DAY_MS = 86_400_000;

/** Days of the week, Monday first. */
export function DaysField({ label, error, value, onChange }: {
  label: string;
  error?: string | undefined;
  value: readonly number[];
  onChange: (days: number[]) => void;
}) {
  const language = usePreferences((state) => state.language);
  const id = useId();
  const long = new Intl.DateTimeFormat(language, { weekday: "long", timeZone: "UTC" });
  const short = new Intl.DateTimeFormat(language, { weekday: "short", timeZone: "UTC" });
  return (
    <fieldset aria-describedby={error === undefined ? undefined : id} className="flex flex-col gap-1.5">
      <legend className="mb-1.5 text-sm font-medium">{label}</legend>
      <div className="flex flex-wrap gap-1.5">
        {[0, 1, 2, 3, 4, 5, 6].map((day) => (
          <label
            key={day}
            className="inline-flex h-control cursor-pointer items-center gap-1.5 rounded-md border border-line-strong px-2 text-sm has-checked:bg-accent-soft"
          >
            <input
              type="checkbox"
              className="accent-accent"
              aria-label={long.format(MONDAY + day * DAY_MS)}
              checked={value.includes(day)}
              onChange={(event) => {
                const rest = value.filter((one) => one !== day);
                onChange(event.target.checked ? [...rest, day].sort() : rest);
              }}
            />
            {short.format(MONDAY + day * DAY_MS)}
          </label>
        ))}
      </div>
      {error !== undefined && (
        <p id={id} role="alert" className="text-xs font-medium text-bad">
          {error}
        </p>
      )}
    </fieldset>
  );
}

/** From one time of the day to another. */
export function ClockFields({ start, end, onStart, onEnd, startError, endError }: {
  start: string;
  end: string;
  onStart: (text: string) => void;
  onEnd: (text: string) => void;
  startError: string | undefined;
  endError: string | undefined;
}) {
  const t = useText(formTexts);
  return (
    <Beside>
      <Field label={t("start")} error={startError}>
        {(control) => <Input {...control} type="time" value={start} onChange={(event) => { onStart(event.target.value); }} />}
      </Field>
      <Field label={t("end")} hint={t("endHint")} error={endError}>
        {(control) => <Input {...control} type="time" value={end} onChange={(event) => { onEnd(event.target.value); }} />}
      </Field>
    </Beside>
  );
}

/** A time zone by its IANA name, with those that the browser knows offered. */
export function ZoneField({ value, error, onChange }: { value: string; error: string | undefined; onChange: (zone: string) => void }) {
  const t = useText(formTexts);
  const id = useId();
  return (
    <>
      <TextField label={t("timeZone")} hint={t("timeZoneHint")} error={error} value={value} onChange={onChange} list={id} />
      <datalist id={id}>
        {["UTC", ...Intl.supportedValuesOf("timeZone")].map((zone) => (
          <option key={zone} value={zone} />
        ))}
      </datalist>
    </>
  );
}

/** The time zone that the browser has. */
export function ownZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}
