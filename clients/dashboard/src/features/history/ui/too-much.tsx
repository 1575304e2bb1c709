import { Scale } from "lucide-react";
import type { ApiProblem } from "@/shared/api/problem";
import { useText } from "@/shared/i18n/messages";
import { Button } from "@/shared/ui/button";
import type { HistoryFilters } from "../model/filters";
import { historyTexts } from "../texts";

const CODES: readonly string[] = ["too_many_points", "too_many_rows", "too_many_series", "too_expensive"];

/** Whether a question was refused for what answering it would cost. */
export function isTooMuch({ code }: ApiProblem): boolean {
  return CODES.includes(code);
}

/** Says that a question would cost too much, how much, and offers what would cost less. */
export function TooMuch({ problem, filters, onChange }: {
  problem: ApiProblem;
  filters: HistoryFilters;
  onChange: (change: Record<string, unknown>) => void;
}) {
  const t = useText(historyTexts);
  return (
    <div role="alert" className="flex flex-col items-center gap-2 rounded-lg border border-line bg-surface px-6 py-10 text-center">
      <Scale className="size-6 text-warn" aria-hidden />
      <p className="font-medium">{t("tooMuch")}</p>
      <p className="max-w-prose text-sm text-ink-soft">{t("tooMuchHint")}</p>
      <p lang="en" className="max-w-prose text-xs text-ink-faint">{problem.message}</p>
      <div className="mt-2 flex flex-wrap justify-center gap-2">
        {filters.interval !== undefined && (
          <Button onClick={() => { onChange({ interval: undefined }); }}>{t("useAutomatic")}</Button>
        )}
        <Button onClick={() => { onChange({ range: "24h", from: undefined, to: undefined }); }}>{t("pickOneDay")}</Button>
      </div>
    </div>
  );
}
