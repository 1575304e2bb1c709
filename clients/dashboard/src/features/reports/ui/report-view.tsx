import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Download, Printer } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { api } from "@/shared/api/client";
import { download } from "@/shared/api/download";
import type { components } from "@/shared/api/generated/gateway";
import { ApiProblem } from "@/shared/api/problem";
import { useText } from "@/shared/i18n/messages";
import { ActionButton } from "@/shared/ui/button";
import { cx } from "@/shared/ui/classes";
import { Await, EmptyState, ErrorState, useProblemText } from "@/shared/ui/states";
import { notify } from "@/shared/ui/toast";
import { asked, pathOf } from "../model/filters";
import type { Kind, ReportFilters } from "../model/filters";
import { reportTexts } from "../texts";
import { Choice } from "./choice";
import { ReportTable } from "./report-table";

const PrintPreview = lazy(() => import("./print-preview").then((module) => ({ default: module.PrintPreview })));

export type ReportItem = components["schemas"]["ReportItem"];
export type Report = components["schemas"]["ReportAnswer"];
/** A report is made by going through much: it is not made again just because the window was left. */
const FRESH_MS = 60_000;

/** What is asked, and the answer: figures, then rows. */
export function ReportView({ kinds, filters, onChoose }: {
  kinds: readonly ReportItem[];
  filters: ReportFilters;
  onChoose: (change: Record<string, unknown>) => void;
}) {
  const t = useText(reportTexts);
  const problemText = useProblemText();
  const [isSaving, setSaving] = useState(false);
  const [printed, setPrinted] = useState<string | undefined>();
  const kind: Kind | undefined = filters.kind ?? kinds.find((one) => one.may_read)?.kind;
  const mayRead = kinds.some((one) => one.kind === kind && one.may_read);
  const question = { ...filters, ...(kind !== undefined && { kind }) };
  const report = useQuery({
    queryKey: ["report", question],
    enabled: kind !== undefined && mayRead,
    staleTime: FRESH_MS,
    refetchOnWindowFocus: false,
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => {
      const params = { path: { kind: kind ?? "device-health" }, query: asked(question, Date.now()) };
      const { data } = await api.GET("/api/reports/{kind}", { params, signal });
      // The path also answers with CSV and a page, when they are asked for; they were not.
      return data as Report;
    },
  });
  /** Where the same report is in another form, over exactly the range that is shown. */
  const elsewhere = (shown: Report, format: "csv" | "html"): string =>
    pathOf(shown.kind, { ...asked(question, Date.now()), from: shown.from, to: shown.to }, format);
  const save = (shown: Report): void => {
    setSaving(true);
    download(elsewhere(shown, "csv"), `${shown.kind}.csv`)
      .then(() => { notify("ok", t("downloaded")); })
      .catch((error: unknown) => { notify("bad", problemText(error)); })
      .finally(() => { setSaving(false); });
  };
  const shown = report.isPlaceholderData || report.error !== null ? undefined : report.data;
  return (
    <div className="flex flex-col gap-4">
      <Choice
        kinds={kinds}
        kind={kind}
        filters={filters}
        onChoose={onChoose}
        actions={
          <>
            <ActionButton
              permission="reports:read"
              blocked={shown === undefined ? t("notYet") : undefined}
              icon={<Printer className="size-4" aria-hidden />}
              onClick={() => { if (shown !== undefined) setPrinted(elsewhere(shown, "html")); }}
            >
              {t("print")}
            </ActionButton>
            <ActionButton
              permission="reports:read"
              isBusy={isSaving}
              blocked={shown === undefined ? t("notYet") : undefined}
              icon={<Download className="size-4" aria-hidden />}
              onClick={() => { if (shown !== undefined) save(shown); }}
            >
              {t("csv")}
            </ActionButton>
          </>
        }
      />
      {kind === undefined || !mayRead ? (
        <EmptyState title={t("notAllowed")}>
          {t("notAllowedHint", { rights: kinds.find((one) => one.kind === kind)?.needs.join(", ") ?? "" })}
        </EmptyState>
      ) : report.error !== null ? (
        // What is wrong with the question stands in the service's own words: shorter, or fewer devices.
        <ErrorState
          error={report.error instanceof ApiProblem && report.error.status === 422 ? new Error(report.error.message) : report.error}
          onRetry={() => void report.refetch()}
        />
      ) : (
        <Await asked={report}>
          {(data) => (
            <div aria-busy={report.isPlaceholderData} className={cx(report.isPlaceholderData && "opacity-60")}>
              <ReportTable report={data} />
            </div>
          )}
        </Await>
      )}
      <Suspense>{printed !== undefined && <PrintPreview path={printed} onClose={() => { setPrinted(undefined); }} />}</Suspense>
    </div>
  );
}
