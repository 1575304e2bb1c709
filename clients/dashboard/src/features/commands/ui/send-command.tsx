import { useId, useMemo, useState } from "react";
import { query, queryClient } from "@/shared/api/client";
import type { components } from "@/shared/api/generated/commands";
import { ApiProblem } from "@/shared/api/problem";
import { useText } from "@/shared/i18n/messages";
import { useStates } from "@/shared/streams/hooks";
import type { LiveDevice } from "@/shared/streams/shapes";
import { ActionButton, Button } from "@/shared/ui/button";
import { Dialog } from "@/shared/ui/dialog";
import { Checkbox, Field, Input, Select } from "@/shared/ui/field";
import { Await, useProblemText } from "@/shared/ui/states";
import { Status } from "@/shared/ui/status";
import { notify } from "@/shared/ui/toast";
import { ValueField } from "@/shared/values/value-field";
import { parseValue, typedText } from "@/shared/values/value-spec";
import type { ValueSpec } from "@/shared/values/value-spec";
import { asBody, meant } from "../model/target";
import type { Target } from "../model/target";
import { commandTexts } from "../texts";

type Offered = components["schemas"]["OfferedCommand"];
type Sent = components["schemas"]["SentAnswer"];
const MINUTE_S = 60;
const HOUR_S = 3_600;
/** For how long a command may be begun. */
const LIFETIMES = [MINUTE_S, 5 * MINUTE_S, 30 * MINUTE_S, HOUR_S, 24 * HOUR_S] as const;
const USUAL_LIFETIME = 5 * MINUTE_S;

/** Choose whom and what, send it, and see at once who did not get it. */
export function SendCommand({ deviceId, onClose, onShow }: {
  deviceId?: string;
  onClose: () => void;
  onShow: (batchId: string) => void;
}) {
  const t = useText(commandTexts);
  const problemText = useProblemText();
  const devices = useStates("devices");
  const form = useId();
  const [target, setTarget] = useState<Target>({ kind: "devices", deviceIds: deviceId === undefined ? [] : [deviceId] });
  const [name, setName] = useState("");
  const [typed, setTyped] = useState<Readonly<Record<string, string>>>({});
  const [lifetime, setLifetime] = useState<number>(USUAL_LIFETIME);
  const [isTried, setTried] = useState(false);
  const [sent, setSent] = useState<Sent | undefined>();
  const send = query.useMutation("post", "/api/commands");

  const only = target.kind === "devices" && target.deviceIds.length === 1 ? target.deviceIds[0] : undefined;
  const catalogue = query.useQuery("get", "/api/commands/catalogue", {
    params: { query: only === undefined ? {} : { device_id: only } },
  });
  const offered = catalogue.data?.items.find((item) => item.name === name);
  const specs = useMemo(() => Object.entries((offered?.arguments ?? {}) as Record<string, ValueSpec>), [offered]);
  const chosen = useMemo(() => meant(target, devices), [target, devices]);
  const offline = chosen.filter(([, device]) => device.status === "OFFLINE").length;

  const submit = (): void => {
    setTried(true);
    const args: Record<string, unknown> = {};
    for (const [argument, spec] of specs) {
      const parsed = parseValue(typed[argument] ?? typedText(spec.default), spec);
      if ("fault" in parsed) return;
      if (parsed.value !== undefined) args[argument] = parsed.value;
    }
    if (offered === undefined || chosen.length === 0) return;
    send.mutate(
      { body: { name: offered.name, args, ttl_s: lifetime, ...asBody(target) } },
      {
        onSuccess: (answer) => {
          void queryClient.invalidateQueries({ queryKey: ["get", "/api/commands"] });
          if (answer.commands.length > 0) notify("ok", t("sent", { count: answer.commands.length }));
          if (answer.refused.length > 0) setSent(answer);
          else onShow(answer.batch_id);
        },
      },
    );
  };
  if (sent !== undefined) return <NotSent sent={sent} onClose={onClose} onShow={onShow} />;
  const problem: unknown = send.error;
  return (
    <Dialog
      isOpen
      onClose={onClose}
      width="side"
      title={t("send")}
      actions={
        <ActionButton permission="commands:send" tone="primary" type="submit" form={form} isBusy={send.isPending}>
          {t("sendTo", { count: chosen.length })}
        </ActionButton>
      }
    >
      <form
        id={form}
        noValidate
        className="flex flex-col gap-5"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <Whom target={target} onChange={setTarget} devices={devices} />
        {isTried && chosen.length === 0 && <p role="alert" className="text-xs font-medium text-bad">{t("noneMeant")}</p>}
        {offline > 0 && <p className="rounded-md bg-warn-soft px-3 py-2 text-sm text-warn">{t("offline", { count: offline })}</p>}
        <Await asked={catalogue}>
          {(data) => (
            <What
              items={data.items}
              name={name}
              error={isTried && offered === undefined ? t("pick") : undefined}
              onChange={(next) => {
                setName(next);
                setTyped({});
                setTried(false);
              }}
            />
          )}
        </Await>
        {specs.map(([argument, spec]) => (
          <ValueField
            key={argument}
            label={argument}
            spec={spec}
            text={typed[argument] ?? typedText(spec.default)}
            isChecked={isTried}
            onChange={(text) => {
              setTyped((before) => ({ ...before, [argument]: text }));
            }}
          />
        ))}
        <Field label={t("for")} hint={t("forHint")}>
          {(control) => (
            <Select {...control} value={lifetime} onChange={(event) => { setLifetime(Number(event.target.value)); }}>
              {LIFETIMES.map((seconds) => (
                <option key={seconds} value={seconds}>
                  {seconds < HOUR_S ? t("minutes", { count: seconds / MINUTE_S }) : t("hours", { count: seconds / HOUR_S })}
                </option>
              ))}
            </Select>
          )}
        </Field>
        {problem !== null && (
          <p role="alert" className="rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">
            {problem instanceof ApiProblem && problem.fields.length > 0
              ? problem.fields.map((field) => field.message).join(" ")
              : problemText(problem)}
          </p>
        )}
      </form>
    </Dialog>
  );
}

function Whom({ target, onChange, devices }: {
  target: Target;
  onChange: (target: Target) => void;
  devices: ReadonlyMap<string, LiveDevice>;
}) {
  const t = useText(commandTexts);
  const [search, setSearch] = useState("");
  const groups = useMemo(() => [...new Set([...devices.values()].flatMap((device) => device.groups))].sort(), [devices]);
  const shown = useMemo(
    () =>
      [...devices]
        .filter(([id, device]) => `${device.name} ${id}`.toLowerCase().includes(search.trim().toLowerCase()))
        .sort(([, a], [, b]) => a.name.localeCompare(b.name)),
    [devices, search],
  );
  const chosen = target.kind === "devices" ? target.deviceIds : [];
  return (
    <fieldset className="flex flex-col gap-3">
      <Field label={t("toWhom")}>
        {(control) => (
          <Select
            {...control}
            value={target.kind}
            onChange={(event) => {
              const kind = event.target.value;
              if (kind === "all") onChange({ kind });
              else if (kind === "group") onChange({ kind, group: groups[0] ?? "" });
              else onChange({ kind: "devices", deviceIds: [] });
            }}
          >
            <option value="devices">{t("targetDevices")}</option>
            {groups.length > 0 && <option value="group">{t("targetGroup")}</option>}
            <option value="all">{t("targetAll")}</option>
          </Select>
        )}
      </Field>
      {target.kind === "group" && (
        <Field label={t("group")}>
          {(control) => (
            <Select {...control} value={target.group} onChange={(event) => { onChange({ kind: "group", group: event.target.value }); }}>
              {groups.map((group) => (
                <option key={group}>{group}</option>
              ))}
            </Select>
          )}
        </Field>
      )}
      {target.kind === "devices" && (
        <>
          <Field label={t("choose")} hint={t("chosen", { count: chosen.length })}>
            {(control) => <Input {...control} type="search" value={search} onChange={(event) => { setSearch(event.target.value); }} />}
          </Field>
          <div role="group" aria-label={t("choose")} className="flex max-h-48 flex-col overflow-y-auto rounded-md border border-line p-2">
            {shown.map(([id, device]) => (
              <div key={id} className="flex items-center gap-3">
                <Checkbox
                  label={device.name}
                  className="min-w-0 grow"
                  checked={chosen.includes(id)}
                  onChange={(event) => {
                    const rest = chosen.filter((one) => one !== id);
                    onChange({ kind: "devices", deviceIds: event.target.checked ? [...rest, id] : rest });
                  }}
                />
                <Status tone={device.status === "ONLINE" ? "ok" : "warn"}>{t(device.status === "ONLINE" ? "online" : "isOffline")}</Status>
              </div>
            ))}
          </div>
        </>
      )}
    </fieldset>
  );
}

function What({ items, name, error, onChange }: {
  items: readonly Offered[];
  name: string;
  error: string | undefined;
  onChange: (name: string) => void;
}) {
  const t = useText(commandTexts);
  const chosen = items.find((item) => item.name === name);
  return (
    <Field label={t("what")} hint={chosen?.description} error={error}>
      {(control) => (
        <Select {...control} value={name} onChange={(event) => { onChange(event.target.value); }}>
          <option value="">{t("pick")}</option>
          {items.map((item) => (
            <option key={item.name} value={item.name} disabled={!item.may_send}>
              {item.may_send ? item.name : `${item.name} (${t("mayNot", { rights: item.needs.join(", ") })})`}
            </option>
          ))}
        </Select>
      )}
    </Field>
  );
}

function NotSent({ sent, onClose, onShow }: { sent: Sent; onClose: () => void; onShow: (batchId: string) => void }) {
  const t = useText(commandTexts);
  return (
    <Dialog
      isOpen
      onClose={onClose}
      width="side"
      title={t("refused", { count: sent.refused.length })}
      actions={
        <>
          <Button onClick={onClose}>{t("close")}</Button>
          {sent.commands.length > 0 && (
            <Button tone="primary" onClick={() => { onShow(sent.batch_id); }}>
              {t("show")}
            </Button>
          )}
        </>
      }
    >
      <ul className="flex flex-col divide-y divide-line">
        {sent.refused.map((refusal) => (
          <li key={refusal.device_id} className="py-2 text-sm">
            <span className="font-medium">{refusal.device_id}</span>
            <p className="text-ink-soft">{refusal.detail}</p>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
