import { useId, useState } from "react";
import { api, query, queryClient } from "@/shared/api/client";
import type { components } from "@/shared/api/generated/identity";
import { ApiProblem } from "@/shared/api/problem";
import { useText } from "@/shared/i18n/messages";
import { usePermission, useUser } from "@/shared/session/session";
import { ActionButton } from "@/shared/ui/button";
import { Confirm } from "@/shared/ui/confirm";
import { Dialog } from "@/shared/ui/dialog";
import { Checkbox, Field, Input } from "@/shared/ui/field";
import { useProblemText } from "@/shared/ui/states";
import { notify } from "@/shared/ui/toast";
import { lacking } from "../model/rights";
import { userTexts } from "../texts";

type User = components["schemas"]["UserAnswer"];
const SHORTEST_PASSWORD = 8;
const ROLES_LISTED = 200;

function bringUpToDate(): void {
  void queryClient.invalidateQueries({ queryKey: ["get", "/api/users"] });
}

/** One account: made, changed, locked, signed out or deleted. `user` undefined: a new one. */
export function UserEditor({ user, onClose }: { user: User | undefined; onClose: () => void }) {
  const t = useText(userTexts);
  const form = useId();
  const problemText = useProblemText();
  const self = useUser();
  const seesRoles = usePermission("roles:read");
  const roles = query.useQuery("get", "/api/roles", { params: { query: { limit: ROLES_LISTED } } }, { enabled: seesRoles });
  const [username, setUsername] = useState(user?.username ?? "");
  const [email, setEmail] = useState(user?.email ?? "");
  const [password, setPassword] = useState("");
  const [chosen, setChosen] = useState<readonly string[]>(user?.roles ?? []);
  const [isActive, setActive] = useState(user?.is_active ?? true);
  const [isTried, setTried] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [isRemoving, setRemoving] = useState(false);
  const [problem, setProblem] = useState<unknown>();

  const isSelf = user !== undefined && user.id === self?.id;
  const own = self?.permissions ?? [];
  const tooMuch = lacking(roles.data?.items ?? [], chosen.filter((role) => !user?.roles.includes(role)), own);
  const isPasswordShort = password.length < SHORTEST_PASSWORD && (user === undefined || password !== "");
  const names = roles.data?.items.map((role) => role.name) ?? chosen;

  const run = (work: () => Promise<unknown>, done: string): void => {
    setBusy(true);
    setProblem(undefined);
    work()
      .then(() => {
        notify("ok", done);
        onClose();
      })
      .catch((error: unknown) => {
        setRemoving(false);
        if (error instanceof ApiProblem && error.status === 412) {
          notify("warn", t("stale"));
          onClose();
        } else setProblem(error);
      })
      .finally(() => {
        setBusy(false);
        bringUpToDate();
      });
  };
  const submit = (): void => {
    setTried(true);
    if (username.trim() === "" || isPasswordShort || tooMuch.length > 0) return;
    const account = { username: username.trim(), roles: [...chosen] };
    if (user === undefined) {
      const body = { ...account, email: email.trim() === "" ? null : email.trim(), password, is_active: isActive };
      run(() => api.POST("/api/users", { body }), t("created", { name: account.username }));
      return;
    }
    const body = { ...account, email: email.trim(), ...(password !== "" && { password }) };
    const params = { path: { user_id: user.id }, header: { "If-Match": `"${String(user.version)}"` } };
    run(() => api.PATCH("/api/users/{user_id}", { params, body }), t("saved", { name: account.username }));
  };
  const said = (field: string): string | undefined =>
    problem instanceof ApiProblem ? problem.fields.find((one) => one.field.split(".").pop() === field)?.message : undefined;
  const isTold = ["username", "email", "password", "roles"].some((field) => said(field) !== undefined);

  if (isRemoving && user !== undefined) {
    const params = { path: { user_id: user.id }, header: { "If-Match": `"${String(user.version)}"` } };
    return (
      <Confirm
        title={t("removeTitle", { name: user.username })}
        action={t("remove")}
        permission="users:write"
        isBusy={isBusy}
        onClose={() => { setRemoving(false); }}
        onConfirm={() => { run(() => api.DELETE("/api/users/{user_id}", { params }), t("removed", { name: user.username })); }}
      >
        {t("removeText")}
      </Confirm>
    );
  }
  return (
    <Dialog
      isOpen
      onClose={onClose}
      width="side"
      title={user === undefined ? t("newUser") : t("editUser", { name: user.username })}
      actions={
        <ActionButton permission="users:write" tone="primary" type="submit" form={form} isBusy={isBusy}>
          {t(user === undefined ? "create" : "save")}
        </ActionButton>
      }
    >
      <form
        id={form}
        noValidate
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        {problem !== undefined && !isTold && (
          <p role="alert" className="rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">{problemText(problem)}</p>
        )}
        <Field label={t("username")} hint={t("usernameHint")} error={isTried && username.trim() === "" ? t("missing") : said("username")}>
          {(control) => (
            <Input {...control} autoComplete="off" autoCapitalize="none" spellCheck={false} value={username} onChange={(event) => { setUsername(event.target.value); }} />
          )}
        </Field>
        <Field label={t("email")} error={said("email")}>
          {(control) => <Input {...control} type="email" autoComplete="off" value={email} onChange={(event) => { setEmail(event.target.value); }} />}
        </Field>
        <Field
          label={t(user === undefined ? "password" : "newPassword")}
          hint={t(user === undefined ? "passwordHint" : "newPasswordHint")}
          error={isTried && isPasswordShort ? t("tooShort") : said("password")}
        >
          {(control) => (
            <Input {...control} type="password" autoComplete="new-password" value={password} onChange={(event) => { setPassword(event.target.value); }} />
          )}
        </Field>
        <fieldset className="flex flex-col gap-1">
          <legend className="mb-1 text-sm font-medium">{t("rolesOf")}</legend>
          {names.map((role) => (
            <Checkbox
              key={role}
              label={role}
              checked={chosen.includes(role)}
              disabled={isSelf}
              onChange={(event) => {
                const rest = chosen.filter((one) => one !== role);
                setChosen(event.target.checked ? [...rest, role] : rest);
              }}
            />
          ))}
          {isSelf && <p className="text-xs text-ink-faint">{t("notYourself")}</p>}
          {chosen.length === 0 && <p className="text-xs text-ink-faint">{t("noRoleHint")}</p>}
          {(tooMuch.length > 0 || said("roles") !== undefined) && (
            <p role="alert" className="text-xs font-medium text-bad">
              {tooMuch.length > 0 ? t("lacks", { rights: tooMuch.join(", ") }) : said("roles")}
            </p>
          )}
        </fieldset>
        {user === undefined && <Checkbox label={t("isActive")} checked={isActive} onChange={(event) => { setActive(event.target.checked); }} />}
      </form>
      {user !== undefined && (
        <div className="mt-6 flex flex-wrap gap-2 border-t border-line pt-4">
          <ActionButton
            permission="users:write"
            isBusy={isBusy}
            blocked={isSelf ? t("notYourself") : undefined}
            onClick={() => {
              const params = { path: { user_id: user.id }, header: { "If-Match": `"${String(user.version)}"` } };
              run(
                () => api.PUT("/api/users/{user_id}/toggle-status", { params }),
                t(user.is_active ? "deactivated" : "activated", { name: user.username }),
              );
            }}
          >
            {t(user.is_active ? "deactivate" : "activate")}
          </ActionButton>
          <ActionButton
            permission="users:write"
            isBusy={isBusy}
            onClick={() => {
              const params = { path: { user_id: user.id } };
              run(() => api.DELETE("/api/users/{user_id}/sessions", { params }), t("signedOut", { name: user.username }));
            }}
          >
            {t("signOut")}
          </ActionButton>
          <ActionButton
            permission="users:write"
            tone="danger"
            blocked={isSelf ? t("notYourself") : undefined}
            onClick={() => { setRemoving(true); }}
          >
            {t("remove")}
          </ActionButton>
        </div>
      )}
    </Dialog>
  );
}
