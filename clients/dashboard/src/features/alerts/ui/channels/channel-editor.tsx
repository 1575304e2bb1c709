import { getRouteApi } from "@tanstack/react-router";
import { ArrowLeft, Copy, KeyRound, Save, Trash2 } from "lucide-react";
import { useId, useMemo, useState } from "react";
import { ApiProblem } from "@/shared/api/problem";
import { useQuery } from "@tanstack/react-query";
import { useText } from "@/shared/i18n/messages";
import { useStates } from "@/shared/streams/hooks";
import { ActionButton, Button } from "@/shared/ui/button";
import { Confirm } from "@/shared/ui/confirm";
import { Checkbox, Field, Input, TextArea } from "@/shared/ui/field";
import { Panel } from "@/shared/ui/panel";
import { PickList } from "@/shared/ui/pick-list";
import { notify } from "@/shared/ui/toast";
import { CHANNEL_KINDS, channelDraftOf, newChannelDraft, newKey, readChannelDraft } from "../../model/channel-draft";
import type { Channel, ChannelDraft } from "../../model/channel-draft";
import { SEVERITIES } from "../../model/filters";
import { channelTexts } from "../../channel-texts";
import { formTexts } from "../../texts";
import { Conflict, Refusal, useLeaveGuard } from "../form/editing";
import { Beside, ChoiceField, ClockFields, DaysField, ownZone, Part, TextField, TimeField, ZoneField } from "../form/fields";
import { readRules, RULES_PATH } from "../rules/api";
import { deleteChannel, readChannel, saveChannel } from "./api";
import { Messages } from "./messages";
import { Trial } from "./trial";

const route = getRouteApi("/alerts");

interface EditProps {
  readonly draft: ChannelDraft;
  readonly change: (part: Partial<ChannelDraft>) => void;
  readonly fault: (field: keyof ChannelDraft) => string | undefined;
}

/** A channel being written, with the way to try it and what went through it. */
export function ChannelEditor({ channel, onSaved }: { channel: Channel | undefined; onSaved: (id: string) => void }) {
  const t = useText(channelTexts);
  const form = useText(formTexts);
  const formId = useId();
  const navigate = route.useNavigate();
  const [seen, setSeen] = useState(channel);
  const [start, setStart] = useState<ChannelDraft>(() => (channel === undefined ? newChannelDraft(ownZone()) : channelDraftOf(channel)));
  const [draft, setDraft] = useState(start);
  const [isTried, setTried] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>();
  const [theirs, setTheirs] = useState<Channel | undefined>();
  const [isDeleting, setDeleting] = useState(false);
  const isDirty = useMemo(() => JSON.stringify(draft) !== JSON.stringify(start), [draft, start]);
  const guard = useLeaveGuard(isDirty);
  const read = readChannelDraft(draft, seen === undefined);
  const faults = "faults" in read ? read.faults : {};
  const faultCount = isTried ? Object.keys(faults).length : 0;

  const props: EditProps = {
    draft,
    change: (part) => {
      setDraft((before) => ({ ...before, ...part }));
    },
    fault: (field) => {
      const fault = isTried ? faults[field] : undefined;
      return fault === undefined ? undefined : form(fault);
    },
  };
  const take = (current: Channel): void => {
    const next = channelDraftOf(current);
    setSeen(current);
    setStart(next);
    setDraft(next);
    setTheirs(undefined);
    setTried(false);
  };
  const fail = async (error: unknown): Promise<void> => {
    setProblem(error);
    if (!(error instanceof ApiProblem) || error.status !== 412 || seen === undefined) return;
    await readChannel(seen.id).then(
      (current) => {
        setTheirs(current);
        setProblem(undefined);
      },
      (gone: unknown) => {
        setProblem(gone);
      },
    );
  };
  const attempt = (work: Promise<void>): void => {
    setBusy(true);
    setProblem(undefined);
    setTheirs(undefined);
    work.catch(fail).finally(() => {
      setBusy(false);
      setDeleting(false);
    });
  };
  const save = (upon: Channel | undefined): void => {
    setTried(true);
    if (!("body" in read)) return;
    attempt(
      saveChannel(read.body, upon).then((saved) => {
        notify("ok", t("saved", { name: saved.name }));
        // One stays here: what was saved can be tried at once.
        take(saved);
        if (upon === undefined) {
          guard.release();
          onSaved(saved.id);
        }
      }),
    );
  };
  const remove = (gone: Channel): void => {
    attempt(
      deleteChannel(gone).then(() => {
        notify("ok", t("deleted", { name: gone.name }));
        guard.release();
        void navigate({ to: "/alerts", search: { tab: "channels" } });
      }),
    );
  };
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center gap-2">
        <Button tone="quiet" icon={<ArrowLeft className="size-4" aria-hidden />} onClick={() => void navigate({ to: "/alerts", search: { tab: "channels" } })}>
          {form("back")}
        </Button>
        <h2 className="order-last min-w-0 grow basis-full truncate text-lg font-semibold sm:order-none sm:basis-0">{seen?.name ?? t("newTitle")}</h2>
        {seen !== undefined && (
          <ActionButton permission="alert_rules:write" tone="danger" icon={<Trash2 className="size-4" aria-hidden />} onClick={() => { setDeleting(true); }}>
            {form("delete")}
          </ActionButton>
        )}
        <ActionButton
          permission="alert_rules:write"
          tone="primary"
          type="submit"
          form={formId}
          isBusy={isBusy}
          icon={<Save className="size-4" aria-hidden />}
        >
          {form("save")}
        </ActionButton>
      </div>
      {theirs !== undefined && <Conflict theirs={theirs} onTake={() => { take(theirs); }} onKeep={() => { setSeen(theirs); save(theirs); }} />}
      {problem !== undefined && <Refusal error={problem} />}
      {faultCount > 0 && (
        <p role="alert" className="rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">
          {form("checkFields", { count: faultCount })}
        </p>
      )}
      <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
        <Panel>
          <form
            id={formId}
            noValidate
            className="flex flex-col gap-6"
            onSubmit={(event) => {
              event.preventDefault();
              save(seen);
            }}
          >
            <Whom {...props} seen={seen} />
            <FilterFields {...props} />
            {draft.kind !== "mqtt" && <Manners {...props} />}
          </form>
        </Panel>
        {seen !== undefined && (
          <div className="flex flex-col gap-4 xl:sticky xl:top-18">
            <Trial channel={seen} isDirty={isDirty} />
            <Messages channelId={seen.id} />
          </div>
        )}
      </div>
      {guard.question}
      {isDeleting && seen !== undefined && (
        <Confirm
          title={t("deleteTitle", { name: seen.name })}
          action={form("delete")}
          permission="alert_rules:write"
          isBusy={isBusy}
          onConfirm={() => { remove(seen); }}
          onClose={() => { setDeleting(false); }}
        >
          {t("deleteHint")}
        </Confirm>
      )}
    </div>
  );
}

function Whom({ draft, change, fault, seen }: EditProps & { seen: Channel | undefined }) {
  const t = useText(channelTexts);
  const form = useText(formTexts);
  return (
    <Part title={t("whom")}>
      <Beside>
        <TextField label={form("name")} error={fault("name")} value={draft.name} onChange={(name) => { change({ name }); }} />
        {/* What a channel is stays what it is. */}
        <ChoiceField
          label={t("kind")}
          value={draft.kind}
          choices={CHANNEL_KINDS.map((kind) => [kind, t(kind), seen !== undefined && kind !== seen.kind] as const)}
          onChange={(kind) => { change({ kind }); }}
        />
      </Beside>
      <Checkbox label={t("enabled")} checked={draft.isEnabled} onChange={(event) => { change({ isEnabled: event.target.checked }); }} />
      {draft.kind === "email" && (
        <Field label={t("recipients")} hint={`${t("recipientsHint")} ${t("mailOff")}`} error={fault("recipients")}>
          {(control) => (
            <TextArea
              {...control}
              spellCheck={false}
              value={draft.recipients}
              onChange={(event) => { change({ recipients: event.target.value }); }}
            />
          )}
        </Field>
      )}
      {draft.kind === "webhook" && <Secrets draft={draft} change={change} fault={fault} seen={seen} />}
      {draft.kind === "mqtt" && <p className="text-sm text-ink-soft">{t("mqttHint")}</p>}
    </Part>
  );
}

/** What is typed once and never shown again. */
function Secrets({ draft, change, fault, seen }: EditProps & { seen: Channel | undefined }) {
  const t = useText(channelTexts);
  const [isMade, setMade] = useState(false);
  const isKept = seen !== undefined;
  return (
    <>
      <Field label={t("url")} hint={isKept ? t("urlKept", { origin: seen.url_origin ?? "" }) : t("urlHint")} error={fault("url")}>
        {(control) => (
          <Input
            {...control}
            inputMode="url"
            autoComplete="off"
            spellCheck={false}
            value={draft.url}
            onChange={(event) => { change({ url: event.target.value }); }}
          />
        )}
      </Field>
      <Field label={t("key")} hint={isMade || !isKept ? t("keyHint") : t("keyKept")} error={fault("key")}>
        {(control) => (
          <div className="flex flex-wrap gap-2">
            <Input
              {...control}
              type={isMade ? "text" : "password"}
              autoComplete="off"
              spellCheck={false}
              className="min-w-40 grow basis-60"
              value={draft.key}
              onChange={(event) => {
                setMade(false);
                change({ key: event.target.value });
              }}
            />
            <Button
              icon={<KeyRound className="size-4" aria-hidden />}
              onClick={() => {
                setMade(true);
                change({ key: newKey() });
              }}
            >
              {t("newKey")}
            </Button>
            {isMade && (
              <Button
                icon={<Copy className="size-4" aria-hidden />}
                onClick={() => {
                  void navigator.clipboard.writeText(draft.key).then(() => {
                    notify("ok", t("copied"));
                  });
                }}
              >
                {t("copy")}
              </Button>
            )}
          </div>
        )}
      </Field>
    </>
  );
}

function FilterFields({ draft, change }: EditProps) {
  const t = useText(channelTexts);
  const devices = useStates("devices");
  const rules = useQuery({ queryKey: ["get", RULES_PATH], queryFn: ({ signal }) => readRules(signal) });
  const groups = useMemo(() => [...new Set([...devices.values()].flatMap((device) => device.groups))].sort(), [devices]);
  return (
    <Part title={t("filter")}>
      <p className="text-sm text-ink-soft">{t("filterHint")}</p>
      <Beside>
        <PickList
          label={t("severities")}
          picks={SEVERITIES.map((severity) => ({ id: severity, label: t(severity) }))}
          chosen={draft.severities}
          onChange={(chosen) => { change({ severities: SEVERITIES.filter((one) => chosen.includes(one)) }); }}
        />
        <PickList
          label={t("kinds")}
          picks={(["raised", "cleared"] as const).map((kind) => ({ id: kind, label: t(kind) }))}
          chosen={draft.kinds}
          onChange={(chosen) => { change({ kinds: (["raised", "cleared"] as const).filter((one) => chosen.includes(one)) }); }}
        />
      </Beside>
      <Beside>
        <PickList
          label={t("groups")}
          picks={groups.map((group) => ({ id: group, label: group }))}
          chosen={draft.groups}
          onChange={(chosen) => { change({ groups: chosen }); }}
        />
        <PickList
          label={t("rules")}
          picks={(rules.data ?? []).map((rule) => ({ id: rule.id, label: rule.name }))}
          chosen={draft.ruleIds}
          onChange={(ruleIds) => { change({ ruleIds }); }}
        />
      </Beside>
    </Part>
  );
}

function Manners({ draft, change, fault }: EditProps) {
  const t = useText(channelTexts);
  const form = useText(formTexts);
  return (
    <Part title={t("howOften")}>
      <TimeField label={t("gather")} hint={t("gatherHint")} error={fault("gather")} value={draft.gather} onChange={(gather) => { change({ gather }); }} />
      <Checkbox label={t("limited")} checked={draft.hasLimit} onChange={(event) => { change({ hasLimit: event.target.checked }); }} />
      {draft.hasLimit && (
        <Beside>
          <TextField
            label={t("limitMessages")}
            hint={t("limitHint")}
            isNumber
            error={fault("limitMessages")}
            value={draft.limitMessages}
            onChange={(limitMessages) => { change({ limitMessages }); }}
          />
          <TimeField label={t("limitSpan")} error={fault("limitSpan")} value={draft.limitSpan} onChange={(limitSpan) => { change({ limitSpan }); }} />
        </Beside>
      )}
      <div>
        <Checkbox label={t("quietHours")} checked={draft.hasQuiet} onChange={(event) => { change({ hasQuiet: event.target.checked }); }} />
        <p className="text-xs text-ink-faint">{t("quietHint")}</p>
      </div>
      {draft.hasQuiet && (
        <>
          <ClockFields
            start={draft.quietStart}
            end={draft.quietEnd}
            startError={fault("quietStart")}
            endError={fault("quietEnd")}
            onStart={(quietStart) => { change({ quietStart }); }}
            onEnd={(quietEnd) => { change({ quietEnd }); }}
          />
          <DaysField label={form("days")} error={fault("quietDays")} value={draft.quietDays} onChange={(quietDays) => { change({ quietDays }); }} />
          <Checkbox
            label={t("criticalPasses")}
            checked={draft.criticalPasses}
            onChange={(event) => { change({ criticalPasses: event.target.checked }); }}
          />
        </>
      )}
      <ZoneField value={draft.timeZone} error={fault("timeZone")} onChange={(timeZone) => { change({ timeZone }); }} />
    </Part>
  );
}
