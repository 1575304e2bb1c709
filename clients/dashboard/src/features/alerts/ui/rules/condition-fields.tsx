import { useText } from "@/shared/i18n/messages";
import { Checkbox, Field, TextArea } from "@/shared/ui/field";
import { fittingOperator, KINDS, ONE_SIDED, OPERATORS, VALUE_KINDS } from "../../model/rule-draft";
import type { Operator } from "../../model/rule-draft";
import { ruleTexts } from "../../rule-texts";
import { Beside, ChoiceField, Part, TextField, TimeField } from "../form/fields";
import type { EditProps } from "./edit-props";
import { OPERATOR_TEXTS } from "./summary";

const isOneSided = (operator: Operator): boolean => (ONE_SIDED as readonly string[]).includes(operator);

/** What raises an alarm: the kind of condition, and what that kind wants to know. */
export function ConditionFields(props: EditProps) {
  const t = useText(ruleTexts);
  const { draft, change, fault } = props;
  const { kind } = draft;
  const span = kind === "duration" ? t("forTime") : kind === "no_data" ? t("silence") : t("within");
  return (
    <Part title={t("kind")}>
      <ChoiceField
        label={t("kindOf")}
        hint={t(`hint_${kind}`)}
        value={kind}
        choices={KINDS.map((one) => [one, t(`kind_${one}`)] as const)}
        onChange={(next) => {
          const valueKind = next === "rate" ? "number" : draft.valueKind;
          change({ kind: next, valueKind, operator: fittingOperator(next, valueKind, draft.operator) });
        }}
      />
      {(kind === "threshold" || kind === "duration" || kind === "repetition") && <TestFields {...props} />}
      {kind === "rate" && <RateFields {...props} />}
      {kind === "anomaly" && <AnomalyFields {...props} />}
      <Beside>
        {(kind === "duration" || kind === "repetition" || kind === "rate" || kind === "no_data") && (
          <TimeField label={span} error={fault("span")} value={draft.span} onChange={(next) => { change({ span: next }); }} />
        )}
        {kind === "repetition" && (
          <TextField label={t("times")} isNumber error={fault("times")} value={draft.times} onChange={(times) => { change({ times }); }} />
        )}
        {kind === "no_data" && (
          <ChoiceField
            label={t("whileOffline")}
            value={draft.whileOffline}
            choices={[["raise", t("offlineRaise")], ["hold", t("offlineHold")]]}
            onChange={(whileOffline) => { change({ whileOffline }); }}
          />
        )}
        {kind !== "no_data" && (
          <TimeField
            label={t("clearAfter")}
            hint={t("clearAfterHint")}
            error={fault("clearAfter")}
            value={draft.clearAfter}
            onChange={(clearAfter) => { change({ clearAfter }); }}
          />
        )}
      </Beside>
    </Part>
  );
}

function TestFields(props: EditProps) {
  const t = useText(ruleTexts);
  const { draft, change, fault } = props;
  const { valueKind, operator } = draft;
  const isTwoSided = operator === "between" || operator === "outside";
  return (
    <>
      <Beside>
        <ChoiceField
          label={t("valueKind")}
          value={valueKind}
          choices={VALUE_KINDS.map((one) => [one, t(`value_${one}`)] as const)}
          onChange={(next) => {
            change({
              valueKind: next,
              operator: fittingOperator(draft.kind, next, operator),
              value: next === "boolean" ? "true" : next === valueKind ? draft.value : "",
            });
          }}
        />
        <ChoiceField
          label={t("operator")}
          value={operator}
          choices={OPERATORS[valueKind].map((one) => [one, t(OPERATOR_TEXTS[one])] as const)}
          onChange={(next) => { change({ operator: next }); }}
        />
        {valueKind === "boolean" && (
          <ChoiceField
            label={t("level")}
            value={draft.value === "false" ? "false" : "true"}
            choices={[["true", t("on")], ["false", t("off")]]}
            onChange={(value) => { change({ value }); }}
          />
        )}
        {valueKind === "number" && !isTwoSided && (
          <TextField label={t("level")} isNumber error={fault("value")} value={draft.value} onChange={(value) => { change({ value }); }} />
        )}
        {valueKind === "text" && operator !== "in" && (
          <TextField label={t("text")} error={fault("value")} value={draft.value} onChange={(value) => { change({ value }); }} />
        )}
      </Beside>
      {operator === "in" && (
        <Field label={t("texts")} error={fault("value")}>
          {(control) => <TextArea {...control} spellCheck={false} value={draft.value} onChange={(event) => { change({ value: event.target.value }); }} />}
        </Field>
      )}
      {isTwoSided && (
        <Beside>
          <TextField label={t("low")} isNumber error={fault("low")} value={draft.low} onChange={(low) => { change({ low }); }} />
          <TextField label={t("high")} isNumber error={fault("high")} value={draft.high} onChange={(high) => { change({ high }); }} />
          <TextField label={t("clearLow")} isNumber error={fault("clearLow")} value={draft.clearLow} onChange={(clearLow) => { change({ clearLow }); }} />
          <TextField label={t("clearHigh")} isNumber error={fault("clearHigh")} value={draft.clearHigh} onChange={(clearHigh) => { change({ clearHigh }); }} />
        </Beside>
      )}
      {isOneSided(operator) && <ClearField {...props} />}
    </>
  );
}

function ClearField({ draft, change, fault }: EditProps) {
  const t = useText(ruleTexts);
  return (
    <TextField
      label={t("clear")}
      hint={t("clearHint")}
      isNumber
      error={fault("clear")}
      value={draft.clear}
      onChange={(clear) => { change({ clear }); }}
    />
  );
}

function RateFields(props: EditProps) {
  const t = useText(ruleTexts);
  const { draft, change, fault } = props;
  return (
    <>
      <Beside>
        <ChoiceField
          label={t("operator")}
          value={ONE_SIDED.find((one) => one === draft.operator) ?? ">"}
          choices={ONE_SIDED.map((one) => [one, t(OPERATOR_TEXTS[one])] as const)}
          onChange={(operator) => { change({ operator }); }}
        />
        <TextField label={t("level")} isNumber error={fault("value")} value={draft.value} onChange={(value) => { change({ value }); }} />
        <ChoiceField
          label={t("per")}
          value={draft.per}
          choices={[["second", t("perSecond")], ["minute", t("perMinute")]]}
          onChange={(per) => { change({ per }); }}
        />
      </Beside>
      <Checkbox label={t("absolute")} checked={draft.isAbsolute} onChange={(event) => { change({ isAbsolute: event.target.checked }); }} />
      <ClearField {...props} />
    </>
  );
}

function AnomalyFields({ draft, change, fault }: EditProps) {
  const t = useText(ruleTexts);
  return (
    <Beside>
      <TextField label={t("k")} isNumber error={fault("k")} value={draft.k} onChange={(k) => { change({ k }); }} />
      <TextField label={t("clearK")} isNumber error={fault("clearK")} value={draft.clearK} onChange={(clearK) => { change({ clearK }); }} />
      <TextField
        label={t("minDeviation")}
        isNumber
        error={fault("minDeviation")}
        value={draft.minDeviation}
        onChange={(minDeviation) => { change({ minDeviation }); }}
      />
      <TextField
        label={t("windowReadings")}
        isNumber
        error={fault("windowReadings")}
        value={draft.windowReadings}
        onChange={(windowReadings) => { change({ windowReadings }); }}
      />
      <TextField label={t("warmUp")} isNumber error={fault("warmUp")} value={draft.warmUp} onChange={(warmUp) => { change({ warmUp }); }} />
      <ChoiceField
        label={t("direction")}
        value={draft.direction}
        choices={[["both", t("both")], ["above", t("above")], ["below", t("below")]]}
        onChange={(direction) => { change({ direction }); }}
      />
    </Beside>
  );
}
