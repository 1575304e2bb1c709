import { useId, useState } from "react";
import { api, queryClient } from "@/shared/api/client";
import type { components } from "@/shared/api/generated/identity";
import { ApiProblem } from "@/shared/api/problem";
import { useText } from "@/shared/i18n/messages";
import { useUser } from "@/shared/session/session";
import { ActionButton } from "@/shared/ui/button";
import { Confirm } from "@/shared/ui/confirm";
import { Dialog } from "@/shared/ui/dialog";
import { Checkbox, Field, Input, Select } from "@/shared/ui/field";
import { useProblemText } from "@/shared/ui/states";
import { notify } from "@/shared/ui/toast";
import { byThing } from "../model/rights";
import { userTexts } from "../texts";

type Role = components["schemas"]["RoleAnswer"];
type Right = components["schemas"]["PermissionAnswer"];
type RightName = NonNullable<components["schemas"]["CreateRoleBody"]["permissions"]>[number];

/** A role of one's own: its name and its rights. `role` undefined: a new one. */
export function RoleEditor({ role, roles, rights, onClose }: {
  role: Role | undefined;
  roles: readonly Role[];
  rights: readonly Right[];
  onClose: () => void;
}) {
  const t = useText(userTexts);
  const form = useId();
  const problemText = useProblemText();
  const own = useUser()?.permissions ?? [];
  const [name, setName] = useState(role?.name ?? "");
  const [description, setDescription] = useState(role?.description ?? "");
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set(role?.permissions));
  const [heir, setHeir] = useState("");
  const [isTried, setTried] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [isRemoving, setRemoving] = useState(false);
  const [problem, setProblem] = useState<unknown>();

  const run = (work: () => Promise<unknown>, done: string): void => {
    setBusy(true);
    setProblem(undefined);
    work()
      .then(() => {
        notify("ok", done);
        onClose();
      })
      .catch((error: unknown) => {
        if (error instanceof ApiProblem && error.status === 412) {
          notify("warn", t("stale"));
          onClose();
        } else setProblem(error);
      })
      .finally(() => {
        setBusy(false);
        void queryClient.invalidateQueries({ queryKey: ["get", "/api/roles"] });
        void queryClient.invalidateQueries({ queryKey: ["get", "/api/users"] });
      });
  };
  const submit = (): void => {
    setTried(true);
    if (name.trim() === "") return;
    // The list of rights came from the service itself.
    const body = { name: name.trim(), description: description.trim(), permissions: [...chosen] as RightName[] };
    if (role === undefined) {
      run(() => api.POST("/api/roles", { body }), t("created", { name: body.name }));
      return;
    }
    const params = { path: { role_id: role.id }, header: { "If-Match": `"${String(role.version)}"` } };
    run(() => api.PATCH("/api/roles/{role_id}", { params, body }), t("saved", { name: body.name }));
  };
  const message = problem === undefined ? undefined : problemText(problem);

  if (isRemoving && role !== undefined) {
    const params = {
      path: { role_id: role.id },
      header: { "If-Match": `"${String(role.version)}"` },
      ...(heir !== "" && { query: { reassign_to: heir } }),
    };
    return (
      <Confirm
        title={t("removeTitle", { name: role.name })}
        action={t("remove")}
        permission="roles:write"
        isBusy={isBusy}
        onClose={() => { setRemoving(false); }}
        onConfirm={() => { run(() => api.DELETE("/api/roles/{role_id}", { params }), t("removed", { name: role.name })); }}
      >
        <Field
          label={t("inUse")}
          hint={t("inUseHint")}
          error={problem instanceof ApiProblem && problem.status === 409 ? t("roleInUse") : message}
        >
          {(control) => (
            <Select {...control} value={heir} onChange={(event) => { setHeir(event.target.value); }}>
              <option value="">{t("nobody")}</option>
              {roles.filter((one) => one.id !== role.id).map((one) => (
                <option key={one.id} value={one.id}>{one.name}</option>
              ))}
            </Select>
          )}
        </Field>
      </Confirm>
    );
  }
  return (
    <Dialog
      isOpen
      onClose={onClose}
      width="side"
      title={role === undefined ? t("newRole") : role.name}
      actions={
        <>
          {role !== undefined && (
            <ActionButton permission="roles:write" tone="danger" onClick={() => { setProblem(undefined); setRemoving(true); }}>
              {t("remove")}
            </ActionButton>
          )}
          <ActionButton permission="roles:write" tone="primary" type="submit" form={form} isBusy={isBusy}>
            {t(role === undefined ? "create" : "save")}
          </ActionButton>
        </>
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
        {message !== undefined && <p role="alert" className="rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">{message}</p>}
        <Field label={t("roleName")} hint={t("roleHint")} error={isTried && name.trim() === "" ? t("missing") : undefined}>
          {(control) => <Input {...control} value={name} onChange={(event) => { setName(event.target.value); }} />}
        </Field>
        <Field label={t("roleDescription")}>
          {(control) => <Input {...control} value={description} onChange={(event) => { setDescription(event.target.value); }} />}
        </Field>
        {byThing(rights).map(({ thing, rights: of }) => (
          <fieldset key={thing} className="flex flex-col gap-1">
            <legend className="mb-1 text-sm font-medium">{thing}</legend>
            {of.map((right) => {
              const isOwn = own.includes(right.name);
              return (
                <Checkbox
                  key={right.name}
                  checked={chosen.has(right.name)}
                  disabled={!isOwn && !chosen.has(right.name)}
                  label={
                    <span>
                      {right.description}
                      <span className="ml-2 text-xs text-ink-faint">{isOwn ? right.name : `${right.name} · ${t("notYours")}`}</span>
                    </span>
                  }
                  onChange={(event) => {
                    const next = new Set(chosen);
                    if (event.target.checked) next.add(right.name);
                    else next.delete(right.name);
                    setChosen(next);
                  }}
                />
              );
            })}
          </fieldset>
        ))}
      </form>
    </Dialog>
  );
}
