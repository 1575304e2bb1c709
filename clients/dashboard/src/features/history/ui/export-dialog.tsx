import { useState } from "react";
import { api, queryClient } from "@/shared/api/client";
import { download } from "@/shared/api/download";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { usePreferences } from "@/shared/preferences/preferences";
import { ActionButton } from "@/shared/ui/button";
import { Dialog } from "@/shared/ui/dialog";
import { Checkbox, Field, Select } from "@/shared/ui/field";
import { useProblemText } from "@/shared/ui/states";
import { notify } from "@/shared/ui/toast";
import { exportBody, exportPath } from "../model/asked";
import type { ExportForm } from "../model/asked";
import { namesOf } from "../model/filters";
import type { HistoryFilters, Stretch } from "../model/filters";
import { historyTexts } from "../texts";

export const EXPORTS = "/api/telemetry/exports";

/** What is shown, as a file: at once, or made in the background. */
export function ExportDialog({ filters, stretch, onClose, onBegun }: {
  filters: HistoryFilters;
  stretch: Stretch;
  onClose: () => void;
  onBegun: () => void;
}) {
  const t = useText(historyTexts);
  const format = useFormat();
  const problemText = useProblemText();
  const language = usePreferences((state) => state.language);
  const [form, setForm] = useState<ExportForm>({ format: "csv", layout: "long", isContinental: language === "de", isAggregated: false });
  const [busy, setBusy] = useState<"now" | "background" | undefined>();
  const [problem, setProblem] = useState<unknown>();
  const change = (part: Partial<ExportForm>): void => {
    setForm({ ...form, ...part });
  };
  const run = (how: "now" | "background", work: () => Promise<void>): void => {
    setBusy(how);
    setProblem(undefined);
    work()
      .catch((error: unknown) => {
        setProblem(error);
      })
      .finally(() => {
        setBusy(undefined);
      });
  };
  const devices = namesOf(filters.devices).length;
  const metrics = namesOf(filters.metrics).length;
  return (
    <Dialog
      isOpen
      onClose={onClose}
      width="side"
      title={t("export")}
      description={t("exportDescription", {
        devices: t("devicesChosen", { count: devices }),
        metrics: metrics === 0 ? t("allMetrics") : t("metricsChosen", { count: metrics }),
        from: format.dateTime(stretch.from),
        to: format.dateTime(stretch.to),
      })}
      actions={
        <>
          <ActionButton
            permission="telemetry:read"
            isBusy={busy === "background"}
            disabled={form.isAggregated}
            onClick={() => {
              run("background", async () => {
                await api.POST(EXPORTS, { body: exportBody(filters, stretch, form) });
                void queryClient.invalidateQueries({ queryKey: ["get", EXPORTS] });
                notify("ok", t("begun"));
                onBegun();
              });
            }}
          >
            {t("background")}
          </ActionButton>
          <ActionButton
            permission="telemetry:read"
            tone="primary"
            isBusy={busy === "now"}
            onClick={() => {
              run("now", async () => {
                const name = `telemetry.${form.format}`;
                await download(exportPath(filters, stretch, form), name);
                notify("ok", t("downloaded", { name }));
                onClose();
              });
            }}
          >
            {t("now")}
          </ActionButton>
        </>
      }
    >
      <div className="flex flex-col gap-4">
        <Field label={t("format")}>
          {(control) => (
            <Select {...control} value={form.format} onChange={(event) => { change({ format: event.target.value === "ndjson" ? "ndjson" : "csv" }); }}>
              <option value="csv">{t("csv")}</option>
              <option value="ndjson">{t("ndjson")}</option>
            </Select>
          )}
        </Field>
        {form.format === "csv" && (
          <>
            <Field label={t("layout")}>
              {(control) => (
                <Select {...control} value={form.layout} onChange={(event) => { change({ layout: event.target.value === "wide" ? "wide" : "long" }); }}>
                  <option value="long">{t("long")}</option>
                  <option value="wide">{t("wide")}</option>
                </Select>
              )}
            </Field>
            <Checkbox label={t("continental")} checked={form.isContinental} onChange={(event) => { change({ isContinental: event.target.checked }); }} />
          </>
        )}
        {filters.interval !== undefined && (
          <Checkbox label={t("aggregated")} checked={form.isAggregated} onChange={(event) => { change({ isAggregated: event.target.checked }); }} />
        )}
        <p className="text-sm text-ink-soft">{t("backgroundHint")}</p>
        {problem !== undefined && <p role="alert" className="rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">{problemText(problem)}</p>}
      </div>
    </Dialog>
  );
}
