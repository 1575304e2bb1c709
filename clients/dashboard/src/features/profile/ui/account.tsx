import { useState } from "react";
import type { SyntheticEvent } from "react";
import { query, queryClient } from "@/shared/api/client";
import type { components } from "@/shared/api/generated/identity";
import { ApiProblem } from "@/shared/api/problem";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { ActionButton } from "@/shared/ui/button";
import { Field, Input } from "@/shared/ui/field";
import { Facts, Panel } from "@/shared/ui/panel";
import { useProblemText } from "@/shared/ui/states";
import { notify } from "@/shared/ui/toast";
import { profileTexts } from "../texts";

type Profile = components["schemas"]["ProfileAnswer"];

/** Name and rights as they are, and the e-mail address, which is one's own to change. */
export function Account({ profile }: { profile: Profile }) {
  const t = useText(profileTexts);
  const format = useFormat();
  const problemText = useProblemText();
  const [email, setEmail] = useState(profile.email ?? "");
  const change = query.useMutation("put", "/api/profile");
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    change.mutate(
      {
        body: { email: email.trim() === "" ? null : email.trim() },
        params: { header: { "If-Match": `"${String(profile.version)}"` } },
      },
      {
        onSuccess: () => {
          notify("ok", t("saved"));
        },
        onError: (problem: unknown) => {
          if (problem instanceof ApiProblem && problem.status === 412) notify("warn", t("stale"));
        },
        onSettled: () => {
          void queryClient.invalidateQueries({ queryKey: ["get", "/api/profile"] });
        },
      },
    );
  };
  const error: unknown = change.error;
  const isStale = error instanceof ApiProblem && error.status === 412;
  return (
    <Panel title={t("account")}>
      <form noValidate onSubmit={submit} className="flex flex-col gap-4">
        <Facts
          facts={[
            [t("username"), profile.username],
            [t("roles"), profile.roles.join(", ") || t("noRoles")],
            [t("rights"), profile.permissions.join(", ") || t("noRoles")],
            [t("since"), format.date(Date.parse(profile.created_at))],
          ]}
        />
        <Field label={t("email")} hint={t("emailHint")} error={error === null || isStale ? undefined : problemText(error)}>
          {(control) => (
            <Input
              {...control}
              type="email"
              autoComplete="email"
              value={email}
              onChange={(event) => {
                setEmail(event.target.value);
              }}
            />
          )}
        </Field>
        <ActionButton type="submit" tone="primary" isBusy={change.isPending} className="self-start">
          {t("save")}
        </ActionButton>
      </form>
    </Panel>
  );
}
