import { useBlocker } from "@tanstack/react-router";
import { useRef } from "react";
import type { ReactNode } from "react";
import { ApiProblem } from "@/shared/api/problem";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { Button } from "@/shared/ui/button";
import { Confirm } from "@/shared/ui/confirm";
import { useProblemText } from "@/shared/ui/states";
import { formTexts } from "../../texts";

/** Keeps what is typed from being lost: whoever goes elsewhere, or closes the page, is asked first. */
export function useLeaveGuard(isDirty: boolean): {
  /** Say that nothing is lost now: what was typed is saved, or there is nothing left to save it to. */
  readonly release: () => void;
  readonly question: ReactNode;
} {
  const t = useText(formTexts);
  const isLeaving = useRef(false);
  const blocker = useBlocker({
    shouldBlockFn: () => isDirty && !isLeaving.current,
    enableBeforeUnload: () => isDirty && !isLeaving.current,
    withResolver: true,
  });
  return {
    release: () => {
      isLeaving.current = true;
    },
    question: blocker.status === "blocked" && (
      <Confirm title={t("leaveTitle")} action={t("leave")} onConfirm={blocker.proceed} onClose={blocker.reset}>
        {t("leaveHint")}
      </Confirm>
    ),
  };
}

/** What stands on the server now, when it is another than what was edited. */
export interface Theirs {
  readonly version: number;
  readonly updated_at: string;
  readonly updated_by_name: string | null;
}

/** Somebody else saved first: whose it shall be. What was typed stays until that is decided. */
export function Conflict({ theirs, onTake, onKeep }: { theirs: Theirs; onTake: () => void; onKeep: () => void }) {
  const t = useText(formTexts);
  const format = useFormat();
  return (
    <div role="alert" className="flex flex-col gap-2 rounded-md bg-warn-soft px-3 py-2.5 text-sm">
      <p className="font-medium text-warn">{t("changedTitle", { name: theirs.updated_by_name ?? t("changedSomebody") })}</p>
      <p>{t("changedHint", { version: theirs.version, time: format.dateTime(Date.parse(theirs.updated_at)) })}</p>
      <div className="flex flex-wrap gap-2">
        <Button onClick={onTake}>{t("takeTheirs")}</Button>
        <Button onClick={onKeep}>{t("keepMine")}</Button>
      </div>
    </div>
  );
}

/** Why the service did not take it, with each field's own reason where it gave one. */
export function Refusal({ error }: { error: unknown }) {
  const t = useText(formTexts);
  const problemText = useProblemText();
  const fields = error instanceof ApiProblem && error.status === 422 ? error.fields : [];
  const isGone = error instanceof ApiProblem && error.status === 404;
  return (
    <div role="alert" className="rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">
      {fields.length > 0 ? (
        <ul>
          {fields.map((field) => (
            <li key={`${field.field} ${field.code}`}>{`${field.field.replace(/^body\./, "")}: ${field.message}`}</li>
          ))}
        </ul>
      ) : isGone ? (
        t("goneTitle")
      ) : (
        problemText(error)
      )}
    </div>
  );
}
