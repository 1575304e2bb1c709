import { useRef } from "react";
import { useText } from "@/shared/i18n/messages";
import { Field, TextArea } from "@/shared/ui/field";
import { PLACES, strangePlace } from "../../model/message";
import { ruleTexts } from "../../rule-texts";
import { formTexts } from "../../texts";
import { Part } from "../form/fields";
import type { EditProps } from "./edit-props";

/** The sentence of an alarm, and the places that can stand in it. */
export function MessageField({ draft, change, fault }: EditProps) {
  const t = useText(ruleTexts);
  const form = useText(formTexts);
  const box = useRef<HTMLTextAreaElement>(null);
  /** Where somebody was writing; before that, the end. */
  const cursor = useRef<readonly [number, number] | undefined>(undefined);
  const insert = (place: string): void => {
    const [at, until] = cursor.current ?? [draft.message.length, draft.message.length];
    change({ message: draft.message.slice(0, at) + place + draft.message.slice(until) });
    requestAnimationFrame(() => {
      box.current?.focus();
      box.current?.setSelectionRange(at + place.length, at + place.length);
    });
  };
  const strange = strangePlace(draft.message);
  const error = fault("message") ?? (strange === undefined ? undefined : `${form("bad_place")} ${strange}`);
  return (
    <Part title={t("message")}>
      <Field label={t("sentence")} error={error}>
        {(control) => (
          <TextArea
            {...control}
            ref={box}
            rows={2}
            value={draft.message}
            onBlur={(event) => { cursor.current = [event.target.selectionStart, event.target.selectionEnd]; }}
            onChange={(event) => { change({ message: event.target.value.replaceAll("\n", " ") }); }}
          />
        )}
      </Field>
      <div role="group" aria-label={t("places")} className="flex flex-wrap gap-1.5">
        {PLACES.map((place) => (
          <button
            key={place}
            type="button"
            aria-label={t("insert", { place })}
            className="h-7 rounded-md border border-line-strong bg-surface px-2 font-mono text-xs text-ink-soft hover:bg-sunken hover:text-ink"
            onClick={() => { insert(`{${place}}`); }}
          >
            {`{${place}}`}
          </button>
        ))}
      </div>
    </Part>
  );
}
