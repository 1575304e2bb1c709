import { useId, useState } from "react";
import type { ReactNode } from "react";
import { useText } from "../i18n/messages";
import { cx } from "./classes";
import { Checkbox, Input } from "./field";
import { uiTexts } from "./texts";

export interface Pick {
  readonly id: string;
  readonly label: string;
  readonly note?: ReactNode;
}

/** With more than so many one searches. */
const SEARCHED_FROM = 8;
/** More than so many nobody scrolls through: the rest is found by searching. */
const SHOWN = 200;

/** Any number of some things, each with a check box; with many, a search. */
export function PickList({ label, hint, error, picks, chosen, onChange, isSteady = false }: {
  label: string;
  hint?: string | undefined;
  error?: string | undefined;
  picks: readonly Pick[];
  chosen: readonly string[];
  onChange: (chosen: string[]) => void;
  /** As high with nothing as with much: what it holds comes late, and what is below must not jump. */
  isSteady?: boolean;
}) {
  const t = useText(uiTexts);
  const id = useId();
  const [search, setSearch] = useState("");
  const sought = search.trim().toLowerCase();
  // What was chosen and is gone still stands there, so that it can be taken out.
  const gone = chosen.filter((one) => !picks.some((pick) => pick.id === one)).map((one): Pick => ({ id: one, label: one }));
  const all = [...picks, ...gone];
  const shown = all.filter((pick) => `${pick.label} ${pick.id}`.toLowerCase().includes(sought));
  return (
    <fieldset aria-describedby={error === undefined ? undefined : `${id}-error`} className="flex min-w-0 flex-col gap-1.5">
      <legend className="mb-1.5 text-sm font-medium">{label}</legend>
      {(isSteady || all.length > SEARCHED_FROM) && (
        <Input
          type="search"
          aria-label={t("search")}
          placeholder={t("search")}
          value={search}
          onChange={(event) => {
            setSearch(event.target.value);
          }}
        />
      )}
      <div className={cx("flex flex-col overflow-y-auto rounded-md border border-line px-3 py-1.5", isSteady ? "h-44" : "max-h-44")}>
        {shown.length === 0 && <p className="text-sm text-ink-faint">{t("noRows")}</p>}
        {shown.slice(0, SHOWN).map((pick) => (
          <div key={pick.id} className="flex items-center gap-3">
            <Checkbox
              label={pick.label}
              className="min-w-0 grow"
              checked={chosen.includes(pick.id)}
              onChange={(event) => {
                const rest = chosen.filter((one) => one !== pick.id);
                onChange(event.target.checked ? [...rest, pick.id] : rest);
              }}
            />
            {pick.note}
          </div>
        ))}
        {shown.length > SHOWN && <p className="py-1 text-xs text-ink-soft">{t("moreToSearch", { count: shown.length - SHOWN })}</p>}
      </div>
      {hint !== undefined && <p className="text-xs text-ink-faint">{hint}</p>}
      {error !== undefined && (
        <p id={`${id}-error`} role="alert" className="text-xs font-medium text-bad">
          {error}
        </p>
      )}
    </fieldset>
  );
}
