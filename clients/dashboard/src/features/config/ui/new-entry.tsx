import { useId, useMemo, useState } from "react";
import { query } from "@/shared/api/client";
import { ApiProblem } from "@/shared/api/problem";
import { useText } from "@/shared/i18n/messages";
import { useStates } from "@/shared/streams/hooks";
import { ActionButton } from "@/shared/ui/button";
import { Dialog } from "@/shared/ui/dialog";
import { Field, Input, Select } from "@/shared/ui/field";
import { Await } from "@/shared/ui/states";
import { notify } from "@/shared/ui/toast";
import { ValueField } from "@/shared/values/value-field";
import { parseValue, typedText } from "@/shared/values/value-spec";
import { idOf, SCOPES } from "../model/filters";
import type { ConfigFilters, Scope } from "../model/filters";
import { configTexts } from "../texts";
import { useWriteProblem } from "./entry-detail";
import { putEntry } from "./put-entry";

const CREATED_MEANWHILE = new Set([409, 412, 428]);

/** A value for all devices, a group or a device. One that is there already is opened instead. */
export function NewEntry({ filters, onClose, onOpen }: {
  filters: ConfigFilters;
  onClose: () => void;
  onOpen: (id: string) => void;
}) {
  const t = useText(configTexts);
  const form = useId();
  const devices = useStates("devices");
  const keys = query.useQuery("get", "/api/config/keys");
  const problemText = useWriteProblem();
  const [scope, setScope] = useState<Scope>(filters.scope ?? (filters.tab === "device" ? "device" : "all"));
  const [target, setTarget] = useState(filters.target ?? filters.device ?? "");
  const [key, setKey] = useState(filters.key ?? "");
  const [typed, setTyped] = useState<string | undefined>();
  const [isTried, setTried] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>();

  const groups = useMemo(() => [...new Set([...devices.values()].flatMap((device) => device.groups))].sort(), [devices]);
  const listed = useMemo(() => [...devices].sort(([, a], [, b]) => a.name.localeCompare(b.name)), [devices]);
  const spec = keys.data?.items.find((one) => one.key === key)?.spec;
  const text = typed ?? typedText(spec?.default);
  const isTargeted = scope === "all" || target.trim() !== "";
  const submit = (): void => {
    setTried(true);
    if (spec === undefined || !isTargeted) return;
    const parsed = parseValue(text, { ...spec, is_required: true });
    if ("fault" in parsed || parsed.value === undefined) return;
    const address = { scope, target: scope === "all" ? "-" : target.trim(), key };
    setBusy(true);
    setProblem(undefined);
    putEntry(address, parsed.value, undefined)
      .then((entry) => {
        notify("ok", t("saved", { version: entry.version }));
        onClose();
      })
      .catch((error: unknown) => {
        if (error instanceof ApiProblem && CREATED_MEANWHILE.has(error.status)) {
          notify("warn", t("existsAlready"));
          onOpen(idOf(address));
        } else setProblem(error);
      })
      .finally(() => { setBusy(false); });
  };
  return (
    <Dialog
      isOpen
      onClose={onClose}
      width="side"
      title={t("add")}
      actions={
        <ActionButton permission="config:write" tone="primary" type="submit" form={form} isBusy={isBusy}>
          {t("save")}
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
        {problem !== undefined && (
          <p role="alert" className="rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">{problemText(problem)}</p>
        )}
        <Field label={t("scope")}>
          {(control) => (
            <Select
              {...control}
              value={scope}
              onChange={(event) => {
                setScope(event.target.value as Scope);
                setTarget("");
              }}
            >
              {SCOPES.map((one) => <option key={one} value={one}>{t(one)}</option>)}
            </Select>
          )}
        </Field>
        {scope === "group" && (
          <Field label={t("group")} error={isTried && !isTargeted ? t("nameGroup") : undefined}>
            {(control) => (
              <>
                <Input {...control} list={`${form}-groups`} value={target} onChange={(event) => { setTarget(event.target.value); }} />
                <datalist id={`${form}-groups`}>{groups.map((group) => <option key={group} value={group} />)}</datalist>
              </>
            )}
          </Field>
        )}
        {scope === "device" && (
          <Field label={t("device")} error={isTried && !isTargeted ? t("chooseDevice") : undefined}>
            {(control) => (
              <Select {...control} value={target} onChange={(event) => { setTarget(event.target.value); }}>
                <option value="">{t("chooseDevice")}</option>
                {listed.map(([id, device]) => <option key={id} value={id}>{device.name}</option>)}
              </Select>
            )}
          </Field>
        )}
        <Await asked={keys}>
          {({ items }) => (
            <Field label={t("key")} hint={spec?.description} error={isTried && spec === undefined ? t("chooseKey") : undefined}>
              {(control) => (
                <Select
                  {...control}
                  value={key}
                  onChange={(event) => {
                    setKey(event.target.value);
                    setTyped(undefined);
                    setTried(false);
                  }}
                >
                  <option value="">{t("chooseKey")}</option>
                  {items.map((one) => <option key={one.key}>{one.key}</option>)}
                </Select>
              )}
            </Field>
          )}
        </Await>
        {spec !== undefined && (
          <ValueField label={t("value")} spec={{ ...spec, description: "", is_required: true }} text={text} isChecked={isTried} onChange={setTyped} />
        )}
      </form>
    </Dialog>
  );
}
