import { CheckCheck } from "lucide-react";
import { useState } from "react";
import { api, queryClient } from "@/shared/api/client";
import { ApiProblem } from "@/shared/api/problem";
import { useText } from "@/shared/i18n/messages";
import { ActionButton } from "@/shared/ui/button";
import { useProblemText } from "@/shared/ui/states";
import { notify } from "@/shared/ui/toast";
import { alertTexts } from "../texts";

/** So many at a time: quick, and no crowd at the door. */
const AT_ONCE = 4;
const OVER = new Set(["already_acknowledged", "already_cleared"]);

/** Acknowledge the selected alarms, and say how many of them came to what. */
export function BulkAcknowledge({ alarmIds, onDone }: { alarmIds: readonly string[]; onDone: () => void }) {
  const t = useText(alertTexts);
  const problemText = useProblemText();
  const [isBusy, setBusy] = useState(false);
  const run = async (): Promise<void> => {
    setBusy(true);
    const left = [...alarmIds];
    let done = 0;
    let over = 0;
    const failed: unknown[] = [];
    const work = async (): Promise<void> => {
      for (let id = left.shift(); id !== undefined; id = left.shift()) {
        try {
          await api.POST("/api/alerts/{alarm_id}/acknowledge", { params: { path: { alarm_id: id } }, body: {} });
          done += 1;
        } catch (error) {
          if (error instanceof ApiProblem && OVER.has(error.code)) over += 1;
          else failed.push(error);
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    void queryClient.invalidateQueries({ queryKey: ["get", "/api/alerts"] });
    setBusy(false);
    onDone();
    if (done > 0) notify("ok", t("bulkDone", { count: done }));
    if (over > 0) notify("info", t("bulkOver", { count: over }));
    if (failed.length > 0) notify("bad", t("bulkFailed", { count: failed.length, reason: problemText(failed[0]) }));
  };
  return (
    <ActionButton
      permission="alerts:acknowledge"
      tone="primary"
      isBusy={isBusy}
      icon={<CheckCheck className="size-4" aria-hidden />}
      onClick={() => void run()}
    >
      {t("acknowledgeSelected", { count: alarmIds.length })}
    </ActionButton>
  );
}
