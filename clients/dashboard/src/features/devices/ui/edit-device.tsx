import { useNavigate } from "@tanstack/react-router";
import { useId, useState } from "react";
import { api, query, queryClient } from "@/shared/api/client";
import type { components } from "@/shared/api/generated/identity";
import { ApiProblem } from "@/shared/api/problem";
import { useText } from "@/shared/i18n/messages";
import { usePermission } from "@/shared/session/session";
import { ActionButton } from "@/shared/ui/button";
import { Confirm } from "@/shared/ui/confirm";
import { Dialog } from "@/shared/ui/dialog";
import { Field, Input, Select } from "@/shared/ui/field";
import { Await, useProblemText } from "@/shared/ui/states";
import { notify } from "@/shared/ui/toast";
import { accessTexts } from "../access-texts";

type Device = components["schemas"]["DeviceDetail"];
const PATH = "/api/devices/{device_id}";
const OFFERED = 200;

/** What a device is called, where it belongs and whose it is; and its end. */
export function EditDevice({ deviceId, onClose }: { deviceId: string; onClose: () => void }) {
  const device = query.useQuery("get", PATH, { params: { path: { device_id: deviceId } } });
  return <Await asked={device}>{(data) => <Editor key={data.version} device={data} onClose={onClose} />}</Await>;
}

function Editor({ device, onClose }: { device: Device; onClose: () => void }) {
  const t = useText(accessTexts);
  const form = useId();
  const navigate = useNavigate();
  const problemText = useProblemText();
  const [name, setName] = useState(device.name);
  const [groups, setGroups] = useState(device.groups.join(", "));
  const [owner, setOwner] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [isRemoving, setRemoving] = useState(false);
  const [problem, setProblem] = useState<unknown>();
  const blocked = device.access === "read" ? t("ownersOnly") : undefined;
  const cannotDelete = device.access === "owner" || device.access === "all" ? undefined : t("ownersOnly");
  const params = { path: { device_id: device.id }, header: { "If-Match": `"${String(device.version)}"` } };

  const run = (work: () => Promise<unknown>, done: () => void): void => {
    setBusy(true);
    setProblem(undefined);
    work()
      .then(done)
      .catch((error: unknown) => {
        setRemoving(false);
        if (error instanceof ApiProblem && error.status === 412) notify("warn", t("stale"));
        else setProblem(error);
      })
      .finally(() => {
        setBusy(false);
        void queryClient.invalidateQueries({ queryKey: ["get", PATH] });
      });
  };
  const save = (): void => {
    const body = {
      groups: groups.split(",").map((group) => group.trim()).filter(Boolean),
      ...(name.trim() === "" ? {} : { name: name.trim() }),
      ...(owner === "" ? {} : { owner_id: owner }),
    };
    run(() => api.PATCH(PATH, { params, body }), () => {
      notify("ok", t("saved"));
      onClose();
    });
  };
  if (isRemoving) {
    return (
      <Confirm
        title={t("removeTitle", { name: device.name })}
        action={t("remove")}
        permission="devices:write"
        isBusy={isBusy}
        onClose={() => { setRemoving(false); }}
        onConfirm={() => {
          run(() => api.DELETE(PATH, { params }), () => {
            notify("ok", t("removed", { name: device.name }));
            void navigate({ to: "/devices" });
          });
        }}
      >
        {t("removeText")}
      </Confirm>
    );
  }
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={t("editTitle", { name: device.name })}
      actions={
        <>
          <ActionButton permission="devices:write" tone="danger" blocked={cannotDelete} onClick={() => { setRemoving(true); }}>
            {t("remove")}
          </ActionButton>
          <ActionButton permission="devices:write" tone="primary" blocked={blocked} type="submit" form={form} isBusy={isBusy}>
            {t("save")}
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
          save();
        }}
      >
        {problem !== undefined && (
          <p role="alert" className="rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">{problemText(problem)}</p>
        )}
        <Field label={t("deviceName")}>
          {(control) => <Input {...control} maxLength={128} value={name} onChange={(event) => { setName(event.target.value); }} />}
        </Field>
        <Field label={t("groups")} hint={t("groupsHint")}>
          {(control) => <Input {...control} value={groups} onChange={(event) => { setGroups(event.target.value); }} />}
        </Field>
        <NextOwner device={device} value={owner} onChange={setOwner} />
      </form>
    </Dialog>
  );
}

function NextOwner({ device, value, onChange }: { device: Device; value: string; onChange: (userId: string) => void }) {
  const t = useText(accessTexts);
  const seesUsers = usePermission("users:read");
  const users = query.useQuery("get", "/api/users", { params: { query: { limit: OFFERED } } }, { enabled: seesUsers });
  const mayGive = device.access === "all" && seesUsers;
  return (
    <Field label={t("owner")} hint={mayGive ? undefined : t("ownerHint")}>
      {(control) => (
        <Select {...control} value={value} disabled={!mayGive} onChange={(event) => { onChange(event.target.value); }}>
          <option value="">{device.owner_name ?? t("nobody")}</option>
          {users.data?.items
            .filter((user) => user.id !== device.owner_id)
            .map((user) => <option key={user.id} value={user.id}>{user.username}</option>)}
        </Select>
      )}
    </Field>
  );
}
