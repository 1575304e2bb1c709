import { useId, useState } from "react";
import { api } from "@/shared/api/client";
import { ApiProblem } from "@/shared/api/problem";
import { useText } from "@/shared/i18n/messages";
import { ActionButton } from "@/shared/ui/button";
import { Confirm } from "@/shared/ui/confirm";
import { Dialog } from "@/shared/ui/dialog";
import { Checkbox, Field, Input, Select, TextArea } from "@/shared/ui/field";
import { Facts } from "@/shared/ui/panel";
import { notify } from "@/shared/ui/toast";
import { draftOf, isNumeric, isText, KEY, readSpec, TYPES } from "../model/spec-draft";
import type { DraftField, SpecDraft } from "../model/spec-draft";
import { configTexts } from "../texts";
import { useWriteProblem } from "./entry-detail";
import { useBoundsText } from "./keys";
import type { Key } from "./keys";
import { bringUpToDate, ifMatch } from "./put-entry";
import { Value } from "./saying";

/** A key: a built-in one is shown, one's own is changed or removed. `declared` undefined: a new one. */
export function KeyEditor({ declared, onClose }: { declared: Key | undefined; onClose: () => void }) {
  return declared?.is_built_in === true ? <BuiltIn declared={declared} onClose={onClose} /> : <Own declared={declared} onClose={onClose} />;
}

function BuiltIn({ declared: { key, spec }, onClose }: { declared: Key; onClose: () => void }) {
  const t = useText(configTexts);
  const boundsText = useBoundsText();
  return (
    <Dialog isOpen onClose={onClose} width="side" title={key} description={t("builtIn")}>
      <Facts
        facts={[
          [t("about"), spec.description ?? ""],
          [t("type"), t(spec.type)],
          [t("usual"), <Value key="usual" value={spec.default} unit={spec.unit} />],
          [t("bounds"), boundsText(spec)],
        ]}
      />
    </Dialog>
  );
}

function Own({ declared, onClose }: { declared: Key | undefined; onClose: () => void }) {
  const t = useText(configTexts);
  const form = useId();
  const problemText = useWriteProblem();
  const [key, setKey] = useState(declared?.key ?? "");
  const [draft, setDraft] = useState(draftOf(declared?.spec));
  const [isTried, setTried] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [isRemoving, setRemoving] = useState(false);
  const [problem, setProblem] = useState<unknown>();

  const read = readSpec(draft);
  const isKeyBad = !KEY.test(key.trim());
  const faults = "faults" in read ? read.faults : {};
  const faultOf = (field: DraftField): string | undefined => {
    const fault = faults[field];
    return isTried && fault !== undefined ? t(fault) : undefined;
  };
  const typed = (field: keyof SpecDraft): { value: string; onChange: (event: { target: { value: string } }) => void } => ({
    value: draft[field],
    onChange: (event) => { setDraft((before) => ({ ...before, [field]: event.target.value })); },
  });
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
          notify("warn", t("keyStale"));
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
    if (isKeyBad || "faults" in read) return;
    const body = { spec: read.spec };
    if (declared === undefined) run(() => api.POST("/api/config/keys", { body: { ...body, key: key.trim() } }), t("keySaved", { key: key.trim() }));
    else {
      const params = { path: { key: declared.key }, header: ifMatch(declared.version) };
      run(() => api.PUT("/api/config/keys/{key}", { params, body }), t("keySaved", { key: declared.key }));
    }
  };
  if (isRemoving && declared !== undefined) {
    return (
      <RemoveKey
        declared={declared}
        problem={problem}
        isBusy={isBusy}
        onClose={() => {
          setProblem(undefined);
          setRemoving(false);
        }}
        onRemove={(isForced) => {
          const params = { path: { key: declared.key }, header: ifMatch(declared.version), query: { force: isForced } };
          run(() => api.DELETE("/api/config/keys/{key}", { params }), t("keyRemoved", { key: declared.key }));
        }}
      />
    );
  }
  return (
    <Dialog
      isOpen
      onClose={onClose}
      width="side"
      title={declared?.key ?? t("addKey")}
      actions={
        <>
          {declared !== undefined && (
            <ActionButton permission="config:write" tone="danger" onClick={() => { setRemoving(true); }}>{t("remove")}</ActionButton>
          )}
          <ActionButton permission="config:write" tone="primary" type="submit" form={form} isBusy={isBusy}>{t("save")}</ActionButton>
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
        {problem !== undefined && (
          <p role="alert" className="rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">{problemText(problem)}</p>
        )}
        {declared === undefined && (
          <Field label={t("key")} hint={t("keyHint")} error={isTried && isKeyBad ? t("badKey") : undefined}>
            {(control) => (
              <Input {...control} value={key} autoCapitalize="none" spellCheck={false} onChange={(event) => { setKey(event.target.value); }} />
            )}
          </Field>
        )}
        <Field label={t("about")}>{(control) => <Input {...control} {...typed("description")} maxLength={500} />}</Field>
        <Field label={t("type")}>
          {(control) => (
            <Select {...control} {...typed("type")}>
              {TYPES.map((type) => <option key={type} value={type}>{t(type)}</option>)}
            </Select>
          )}
        </Field>
        {isNumeric(draft.type) && (
          <div className="grid gap-4 sm:grid-cols-3">
            <Field label={t("minimum")} error={faultOf("minimum")}>{(control) => <Input {...control} {...typed("minimum")} inputMode="decimal" />}</Field>
            <Field label={t("maximum")} error={faultOf("maximum")}>{(control) => <Input {...control} {...typed("maximum")} inputMode="decimal" />}</Field>
            <Field label={t("unit")}>{(control) => <Input {...control} {...typed("unit")} maxLength={32} />}</Field>
          </div>
        )}
        {isText(draft.type) && (
          <>
            <Field label={t("choices")} hint={t("choicesHint")}>{(control) => <TextArea {...control} {...typed("choices")} spellCheck={false} />}</Field>
            <Field label={t("longest")} error={faultOf("longest")}>{(control) => <Input {...control} {...typed("longest")} inputMode="numeric" />}</Field>
          </>
        )}
        <Field label={t("usual")} hint={t(draft.type === "text_list" ? "usualListHint" : "usualHint")} error={faultOf("usual")}>
          {(control) => {
            if (draft.type === "text_list") return <TextArea {...control} {...typed("usual")} spellCheck={false} />;
            if (draft.type !== "boolean") return <Input {...control} {...typed("usual")} spellCheck={false} />;
            return (
              <Select {...control} {...typed("usual")}>
                <option value="">{t("nothing")}</option>
                <option value="true">{t("yes")}</option>
                <option value="false">{t("no")}</option>
              </Select>
            );
          }}
        </Field>
      </form>
    </Dialog>
  );
}

function RemoveKey({ declared, problem, isBusy, onRemove, onClose }: {
  declared: Key;
  problem: unknown;
  isBusy: boolean;
  onRemove: (isForced: boolean) => void;
  onClose: () => void;
}) {
  const t = useText(configTexts);
  const problemText = useWriteProblem();
  const [isForced, setForced] = useState(false);
  const isInUse = problem instanceof ApiProblem && problem.code === "config_key_in_use";
  return (
    <Confirm
      title={t("removeKeyTitle", { key: declared.key })}
      action={t("remove")}
      permission="config:write"
      isBusy={isBusy}
      onConfirm={() => { onRemove(isForced); }}
      onClose={onClose}
    >
      <p>{t("removeKeyText")}</p>
      {problem !== undefined && <p role="alert" className="mt-2 text-bad">{isInUse ? t("keyInUse") : problemText(problem)}</p>}
      {isInUse && (
        <Checkbox className="mt-2" label={t("withEntries")} checked={isForced} onChange={(event) => { setForced(event.target.checked); }} />
      )}
    </Confirm>
  );
}
