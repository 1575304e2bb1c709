import { useId, useState } from "react";
import { api } from "@/shared/api/client";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { ActionButton, Button } from "@/shared/ui/button";
import { Dialog } from "@/shared/ui/dialog";
import { Field, Input, Select } from "@/shared/ui/field";
import { useProblemText } from "@/shared/ui/states";
import { uiTexts } from "@/shared/ui/texts";
import { deviceTexts } from "../texts";
import { SecretDialog } from "./secret-dialog";

interface Secret {
  readonly title: string;
  readonly hint: string;
  readonly text: string;
}

/** Register a device, or make the code with which it registers itself. */
export function AddDeviceDialog({ onClose }: { onClose: () => void }) {
  const t = useText(deviceTexts);
  const ui = useText(uiTexts);
  const format = useFormat();
  const problemText = useProblemText();
  const form = useId();
  const [way, setWay] = useState<"register" | "code">("register");
  const [id, setId] = useState("");
  const [name, setName] = useState("");
  const [kind, setKind] = useState("");
  const [groups, setGroups] = useState("");
  const [error, setError] = useState<string | undefined>();
  const [isBusy, setBusy] = useState(false);
  const [secret, setSecret] = useState<Secret | undefined>();

  const add = async (): Promise<Secret> => {
    const body = {
      ...(id.trim() === "" ? {} : { id: id.trim() }),
      ...(name.trim() === "" ? {} : { name: name.trim() }),
      ...(kind.trim() === "" ? {} : { kind: kind.trim() }),
      groups: groups.split(",").map((group) => group.trim()).filter(Boolean),
    };
    if (way === "register") {
      const { data } = await api.POST("/api/devices", { body });
      return { title: t("keyTitle"), hint: t("keyOnce"), text: data?.api_key ?? "" };
    }
    const { data } = await api.POST("/api/devices/enrolment-codes", { body });
    const until = format.dateTime(Date.parse(data?.expires_at ?? ""));
    return { title: t("codeTitle"), hint: t("codeOnce", { time: until }), text: data?.code ?? "" };
  };
  const submit = (): void => {
    setBusy(true);
    setError(undefined);
    add()
      .then(setSecret, (problem: unknown) => {
        setError(problemText(problem));
      })
      .finally(() => {
        setBusy(false);
      });
  };
  if (secret !== undefined) return <SecretDialog title={secret.title} hint={secret.hint} secret={secret.text} onClose={onClose} />;
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={t("add")}
      actions={
        <>
          <Button onClick={onClose}>{ui("cancel")}</Button>
          <ActionButton tone="primary" permission="devices:write" type="submit" form={form} isBusy={isBusy}>
            {t("add")}
          </ActionButton>
        </>
      }
    >
      <form
        id={form}
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        {error !== undefined && (
          <p role="alert" className="rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">
            {error}
          </p>
        )}
        <Field label={t("addHow")}>
          {(control) => (
            <Select {...control} value={way} onChange={(event) => { setWay(event.target.value === "code" ? "code" : "register"); }}>
              <option value="register">{t("addRegister")}</option>
              <option value="code">{t("addCode")}</option>
            </Select>
          )}
        </Field>
        <Field label={t("deviceName")}>
          {(control) => <Input {...control} maxLength={128} value={name} onChange={(event) => { setName(event.target.value); }} />}
        </Field>
        <Field label={t("deviceId")} hint={t("idHint")}>
          {(control) => <Input {...control} maxLength={64} value={id} onChange={(event) => { setId(event.target.value); }} />}
        </Field>
        <Field label={t("kind")} hint={t("kindHint")}>
          {(control) => <Input {...control} maxLength={32} value={kind} onChange={(event) => { setKind(event.target.value); }} />}
        </Field>
        <Field label={t("groups")} hint={t("groupsHint")}>
          {(control) => <Input {...control} value={groups} onChange={(event) => { setGroups(event.target.value); }} />}
        </Field>
      </form>
    </Dialog>
  );
}
