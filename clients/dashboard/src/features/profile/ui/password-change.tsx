import { useState } from "react";
import type { SyntheticEvent } from "react";
import { query, queryClient } from "@/shared/api/client";
import { ApiProblem } from "@/shared/api/problem";
import { useText } from "@/shared/i18n/messages";
import { useUser } from "@/shared/session/session";
import { ActionButton } from "@/shared/ui/button";
import { Field, Input } from "@/shared/ui/field";
import { Panel } from "@/shared/ui/panel";
import { useProblemText } from "@/shared/ui/states";
import { notify } from "@/shared/ui/toast";
import { profileTexts } from "../texts";

/** What identity asks of every password. */
const SHORTEST = 8;
const EMPTY = { current: "", next: "", again: "" };

/** A new password, proved by the current one. */
export function PasswordChange() {
  const t = useText(profileTexts);
  const user = useUser();
  const problemText = useProblemText();
  const [typed, setTyped] = useState(EMPTY);
  const [isTried, setTried] = useState(false);
  const change = query.useMutation("put", "/api/profile/password");
  const problem: unknown = change.error;

  const wrong = {
    current: typed.current === "" ? t("missing") : undefined,
    next: typed.next.length < SHORTEST ? t("tooShort") : undefined,
    again: typed.next === typed.again ? undefined : t("differ"),
  };
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    setTried(true);
    if (Object.values(wrong).some((reason) => reason !== undefined)) return;
    change.mutate(
      { body: { current_password: typed.current, new_password: typed.next } },
      {
        onSuccess: () => {
          setTyped(EMPTY);
          setTried(false);
          notify("ok", t("changed"));
          void queryClient.invalidateQueries({ queryKey: ["get", "/api/profile/sessions"] });
        },
      },
    );
  };
  const said = (field: "current_password" | "new_password"): string | undefined => {
    if (!(problem instanceof ApiProblem)) return undefined;
    return problem.fields.find((one) => one.field.endsWith(field))?.message;
  };
  const isUntold = problem !== null && said("current_password") === undefined && said("new_password") === undefined;
  const input = (name: keyof typeof EMPTY): { value: string; onChange: (event: { target: { value: string } }) => void } => ({
    value: typed[name],
    onChange: (event) => {
      setTyped((before) => ({ ...before, [name]: event.target.value }));
    },
  });
  return (
    <Panel title={t("password")}>
      <form noValidate onSubmit={submit} className="flex flex-col gap-4">
        <input type="text" name="username" autoComplete="username" value={user?.username ?? ""} readOnly hidden />
        {isUntold && (
          <p role="alert" className="rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">
            {problemText(problem)}
          </p>
        )}
        <Field label={t("current")} error={isTried ? (wrong.current ?? said("current_password")) : undefined}>
          {(control) => <Input {...control} {...input("current")} type="password" autoComplete="current-password" />}
        </Field>
        <Field label={t("new")} hint={t("newHint")} error={isTried ? (wrong.next ?? said("new_password")) : undefined}>
          {(control) => <Input {...control} {...input("next")} type="password" autoComplete="new-password" />}
        </Field>
        <Field label={t("repeat")} error={isTried ? wrong.again : undefined}>
          {(control) => <Input {...control} {...input("again")} type="password" autoComplete="new-password" />}
        </Field>
        <ActionButton type="submit" tone="primary" isBusy={change.isPending} className="self-start">
          {t("change")}
        </ActionButton>
      </form>
    </Panel>
  );
}
