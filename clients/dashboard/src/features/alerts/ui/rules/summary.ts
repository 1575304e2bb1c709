import { useCallback } from "react";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { shown } from "../../model/message";
import type { Operator, RuleBody, Test } from "../../model/rule-draft";
import { ruleTexts } from "../../rule-texts";

/** What an operator is called. */
export const OPERATOR_TEXTS = {
  ">": "op_above", ">=": "op_atLeast", "<": "op_below", "<=": "op_atMost", "==": "op_equal", "!=": "op_unequal",
  between: "op_between", outside: "op_outside", contains: "op_contains", in: "op_in",
} as const satisfies Record<Operator, string>;

function levels(test: Test): string {
  if (test.operator === "between" || test.operator === "outside") return `${String(test.low)} … ${String(test.high)}`;
  return test.operator === "in" ? (test.values ?? []).join(", ") : shown(test.value);
}

/** When a rule raises, in a few words. */
export function useSummary(): (rule: Pick<RuleBody, "condition" | "metric" | "unit">) => string {
  const t = useText(ruleTexts);
  const format = useFormat();
  return useCallback(({ condition, metric: glob, unit }) => {
    const metric = glob ?? "";
    const time = (seconds: number): string => format.duration(seconds * 1_000);
    const words = (test: Test): string => [t(OPERATOR_TEXTS[test.operator]), levels(test), unit].filter(Boolean).join(" ");
    switch (condition.kind) {
      case "threshold":
        return t("sum_test", { metric, test: words(condition.test) });
      case "duration":
        return t("sum_duration", { metric, test: words(condition.test), time: time(condition.for_seconds) });
      case "repetition":
        return t("sum_repetition", {
          metric, test: words(condition.test), times: condition.times, time: time(condition.window_seconds),
        });
      case "rate":
        return t("sum_rate", {
          metric,
          test: words({ operator: condition.operator, value: condition.value }),
          per: t(condition.per === "minute" ? "perMinute" : "perSecond"),
        });
      case "no_data":
        return metric === ""
          ? t("sum_silence", { time: time(condition.for_seconds) })
          : t("sum_no_data", { metric, time: time(condition.for_seconds) });
      case "anomaly":
        return t("sum_anomaly", { metric, k: shown(condition.k ?? 5) });
    }
  }, [t, format]);
}
