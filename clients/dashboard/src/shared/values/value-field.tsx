import { useFormat } from "../i18n/format";
import { useText } from "../i18n/messages";
import { Field, Input, Select, TextArea } from "../ui/field";
import { valueTexts } from "./texts";
import { parseValue, typedText } from "./value-spec";
import type { ValueFault, ValueSpec } from "./value-spec";

/** What a fault is called, in the person's language. */
export function useFaultText(): (fault: ValueFault) => string {
  const t = useText(valueTexts);
  const format = useFormat();
  return (fault) => {
    switch (fault.code) {
      case "too_small":
      case "too_large":
      case "too_long":
        return t(fault.code, { limit: format.number(fault.limit) });
      default:
        return t(fault.code);
    }
  };
}

/** The control that fits a kind of value, with what the kind says of itself. `text` is what stands in it. */
export function ValueField({ label, spec, text, onChange, isChecked, error }: {
  label: string;
  spec: ValueSpec;
  text: string;
  onChange: (text: string) => void;
  /** Whether to say what is wrong already. */
  isChecked: boolean;
  /** What the service said is wrong. */
  error?: string | undefined;
}) {
  const t = useText(valueTexts);
  const faultText = useFaultText();
  const format = useFormat();
  const parsed = parseValue(text, spec);
  const fault = isChecked && "fault" in parsed ? faultText(parsed.fault) : error;
  const low = spec.minimum == null ? undefined : format.number(spec.minimum);
  const high = spec.maximum == null ? undefined : format.number(spec.maximum);
  const bounds =
    low !== undefined && high !== undefined ? t("between", { low, high })
    : low !== undefined ? t("atLeast", { low })
    : high !== undefined ? t("atMost", { high })
    : undefined;
  const hint = [
    spec.description,
    bounds,
    spec.type === "text_list" ? t("oneEach") : undefined,
    spec.default == null ? undefined : t("usual", { value: typedText(spec.default).replaceAll("\n", ", ") }),
  ].filter((part) => part !== undefined && part !== "").join(" · ");
  return (
    <Field label={spec.unit == null ? label : `${label} (${spec.unit})`} hint={hint === "" ? undefined : hint} error={fault}>
      {(control) => {
        const change = (event: { target: { value: string } }): void => {
          onChange(event.target.value);
        };
        if (spec.type === "boolean" || spec.choices != null) {
          const choices = spec.type === "boolean" ? ["true", "false"] : (spec.choices ?? []);
          return (
            <Select {...control} value={text} onChange={change}>
              <option value="">{t("unset")}</option>
              {choices.map((choice) => (
                <option key={choice} value={choice}>
                  {spec.type === "boolean" ? t(choice === "true" ? "yes" : "no") : choice}
                </option>
              ))}
            </Select>
          );
        }
        if (spec.type === "text_list") return <TextArea {...control} value={text} onChange={change} spellCheck={false} />;
        const isNumber = spec.type !== "text";
        return <Input {...control} value={text} onChange={change} inputMode={isNumber ? "decimal" : "text"} spellCheck={false} />;
      }}
    </Field>
  );
}
