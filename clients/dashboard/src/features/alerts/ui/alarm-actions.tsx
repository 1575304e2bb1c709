import { BellOff, BellRing, Check, MessageSquare, OctagonX } from "lucide-react";
import { useState } from "react";
import { api, queryClient } from "@/shared/api/client";
import { ApiProblem } from "@/shared/api/problem";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { useFromNow } from "@/shared/time/ticker";
import { ActionButton } from "@/shared/ui/button";
import { Confirm } from "@/shared/ui/confirm";
import { Field, Input, Select, TextArea } from "@/shared/ui/field";
import { useProblemText } from "@/shared/ui/states";
import { notify } from "@/shared/ui/toast";
import { isShelved, SHELVE_MINUTES } from "../model/alarm";
import type { Alarm } from "../model/alarm";
import { alertTexts } from "../texts";

type Action = "acknowledge" | "comment" | "shelve" | "unshelve" | "clear";
const PERMISSION = "alerts:acknowledge";
const MINUTE = 60_000;
const LONGEST_SHELF = 30 * 24 * 60 * MINUTE;

/** What can be done with an alarm; a comment goes along with whatever is done. */
export function AlarmActions({ alarm }: { alarm: Alarm }) {
  const t = useText(alertTexts);
  const format = useFormat();
  const problemText = useProblemText();
  const [comment, setComment] = useState("");
  const [busy, setBusy] = useState<Action | undefined>();
  const [isClearing, setClearing] = useState(false);
  const [shelf, setShelf] = useState<string>(String(SHELVE_MINUTES[1]));
  const [until, setUntil] = useState("");
  const isQuiet = useFromNow((now) => isShelved(alarm, now));
  const isCleared = alarm.state === "cleared";

  const shelfEnd = (): string | undefined => {
    const at = shelf === "" ? Date.parse(until) : Date.now() + Number(shelf) * MINUTE;
    return at > Date.now() && at < Date.now() + LONGEST_SHELF ? new Date(at).toISOString() : undefined;
  };
  const run = async (action: Action): Promise<void> => {
    const params = { path: { alarm_id: alarm.id } };
    const said = comment.trim();
    const body = said === "" ? {} : { comment: said };
    const end = action === "shelve" ? shelfEnd() : undefined;
    if (action === "shelve" && end === undefined) {
      notify("warn", t("needTime"));
      return;
    }
    setBusy(action);
    try {
      if (action === "acknowledge") await api.POST("/api/alerts/{alarm_id}/acknowledge", { params, body });
      if (action === "comment") await api.POST("/api/alerts/{alarm_id}/comment", { params, body: { comment: said } });
      if (action === "shelve" && end !== undefined) await api.POST("/api/alerts/{alarm_id}/shelve", { params, body: { ...body, until: end } });
      if (action === "unshelve") await api.POST("/api/alerts/{alarm_id}/unshelve", { params, body });
      if (action === "clear") await api.POST("/api/alerts/{alarm_id}/clear", { params, body });
      setComment("");
      notify("ok", t(`done_${action}`));
    } catch (error) {
      const code = error instanceof ApiProblem ? error.code : "";
      if (code === "already_acknowledged") notify("info", t("alreadyAcknowledged"));
      else if (code === "already_cleared") notify("info", t("alreadyCleared"));
      else notify("bad", problemText(error));
    } finally {
      setBusy(undefined);
      setClearing(false);
      for (const path of ["/api/alerts", "/api/alerts/{alarm_id}", "/api/alerts/open"]) {
        void queryClient.invalidateQueries({ queryKey: ["get", path] });
      }
    }
  };
  const over = isCleared ? t("alreadyCleared") : undefined;
  return (
    <section className="flex flex-col gap-3 rounded-lg border border-line bg-sunken/50 p-3">
      <Field label={t("comment")} hint={isCleared ? undefined : t("commentHint")}>
        {(control) => (
          <TextArea {...control} rows={2} maxLength={1_000} value={comment} onChange={(event) => { setComment(event.target.value); }} />
        )}
      </Field>
      <div className="flex flex-wrap gap-2">
        {!isCleared && (
          <ActionButton
            permission={PERMISSION}
            tone="primary"
            isBusy={busy === "acknowledge"}
            icon={<Check className="size-4" aria-hidden />}
            blocked={alarm.state === "acknowledged" ? t("alreadyAcknowledged") : over}
            onClick={() => void run("acknowledge")}
          >
            {t("doAcknowledge")}
          </ActionButton>
        )}
        <ActionButton
          permission={PERMISSION}
          isBusy={busy === "comment"}
          icon={<MessageSquare className="size-4" aria-hidden />}
          blocked={comment.trim() === "" ? t("needComment") : undefined}
          onClick={() => void run("comment")}
        >
          {t("doComment")}
        </ActionButton>
        {!isCleared && (
          <ActionButton
            permission={PERMISSION}
            tone="danger"
            isBusy={busy === "clear"}
            icon={<OctagonX className="size-4" aria-hidden />}
            onClick={() => { setClearing(true); }}
          >
            {t("doClear")}
          </ActionButton>
        )}
      </div>
      {!isCleared && !isQuiet && (
        <div className="flex flex-wrap items-end gap-2">
          <div className="min-w-44 grow">
            <Field label={t("shelveFor")}>
              {(control) => (
                <Select {...control} value={shelf} onChange={(event) => { setShelf(event.target.value); }}>
                  {SHELVE_MINUTES.map((minutes) => (
                    <option key={minutes} value={minutes}>{format.duration(minutes * MINUTE)}</option>
                  ))}
                  <option value="">{t("otherTime")}</option>
                </Select>
              )}
            </Field>
          </div>
          {shelf === "" && (
            <Field label={t("shelveUntil")}>
              {(control) => <Input {...control} type="datetime-local" value={until} onChange={(event) => { setUntil(event.target.value); }} />}
            </Field>
          )}
          <ActionButton
            permission={PERMISSION}
            isBusy={busy === "shelve"}
            icon={<BellOff className="size-4" aria-hidden />}
            onClick={() => void run("shelve")}
          >
            {t("doShelve")}
          </ActionButton>
        </div>
      )}
      {isQuiet && (
        <ActionButton
          permission={PERMISSION}
          className="self-start"
          isBusy={busy === "unshelve"}
          icon={<BellRing className="size-4" aria-hidden />}
          onClick={() => void run("unshelve")}
        >
          {t("doUnshelve")}
        </ActionButton>
      )}
      {isClearing && (
        <Confirm
          title={t("clearTitle")}
          action={t("doClear")}
          permission={PERMISSION}
          isBusy={busy === "clear"}
          onConfirm={() => void run("clear")}
          onClose={() => { setClearing(false); }}
        >
          <p>{alarm.message}</p>
          <p className="mt-2">{t("clearHint")}</p>
        </Confirm>
      )}
    </section>
  );
}
