import { query, queryClient } from "@/shared/api/client";
import type { components } from "@/shared/api/generated/commands";
import { ApiProblem } from "@/shared/api/problem";
import { State } from "@/shared/commands/command-state";
import { toneOf } from "@/shared/commands/states";
import { commandStateTexts } from "@/shared/commands/texts";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { useStateOf } from "@/shared/streams/hooks";
import { useRefetchOn } from "@/shared/streams/use-refetch-on";
import { ActionButton } from "@/shared/ui/button";
import { Dialog } from "@/shared/ui/dialog";
import { Facts } from "@/shared/ui/panel";
import { Await, useProblemText } from "@/shared/ui/states";
import { Status } from "@/shared/ui/status";
import { notify } from "@/shared/ui/toast";
import { isEnded } from "../model/command-states";
import { commandTexts } from "../texts";

type Command = components["schemas"]["CommandDetail"];
const PATH = "/api/commands/{command_id}";
const HINTED = { queued: "queuedHint", unknown: "unknownHint", expired: "expiredHint" } as const;

/** All of one command, beside the list, as it goes on. */
export function CommandDetail({ commandId, onClose }: { commandId: string; onClose: () => void }) {
  const t = useText(commandTexts);
  const command = query.useQuery("get", PATH, { params: { path: { command_id: commandId } } });
  useRefetchOn("commands", PATH);
  return (
    <Dialog
      isOpen
      onClose={onClose}
      width="side"
      title={command.data?.name ?? t("command")}
      actions={command.data !== undefined && !isEnded(command.data.state) && <Cancel command={command.data} />}
    >
      <Await asked={command}>{(data) => <Body command={data} />}</Await>
    </Dialog>
  );
}

function Cancel({ command }: { command: Command }) {
  const t = useText(commandTexts);
  const problemText = useProblemText();
  const cancel = query.useMutation("post", "/api/commands/{command_id}/cancel");
  return (
    <ActionButton
      permission="commands:send"
      tone="danger"
      isBusy={cancel.isPending}
      blocked={command.state === "queued" ? undefined : t("cannotCancel")}
      onClick={() => {
        cancel.mutate(
          { params: { path: { command_id: command.id } } },
          {
            onSuccess: () => {
              notify("ok", t("cancelled_"));
            },
            onError: (error: unknown) => {
              const isTooLate = error instanceof ApiProblem && error.code === "already_published";
              notify("warn", isTooLate ? t("cannotCancel") : problemText(error));
            },
            onSettled: () => {
              void queryClient.invalidateQueries({ queryKey: ["get", PATH] });
            },
          },
        );
      }}
    >
      {t("cancel")}
    </ActionButton>
  );
}

function Body({ command }: { command: Command }) {
  const t = useText(commandTexts);
  const stateText = useText(commandStateTexts);
  const format = useFormat();
  const device = useStateOf("devices", command.device_id);
  const hint = command.state in HINTED ? t(HINTED[command.state as keyof typeof HINTED]) : undefined;
  return (
    <div className="flex flex-col gap-5">
      <div>
        <State state={command.state} progress={command.progress} name={command.name} />
        {hint !== undefined && <p className="mt-1 text-sm text-ink-soft">{hint}</p>}
      </div>
      <Facts
        facts={[
          [t("device"), device?.name ?? command.device_id],
          [t("by"), t("sentBy", { name: command.actor_name, time: format.dateTime(Date.parse(command.created_at)) })],
          [t("until"), format.dateTime(Date.parse(command.expires_at))],
          [t("args"), Object.keys(command.args).length === 0 ? t("noArgs") : <Json key="args" value={command.args} />],
          ...(command.message === null ? [] : [[t("note"), command.message] as const]),
          ...(command.error === null
            ? []
            : [[t("error"), [command.error.code, command.error.message].filter(Boolean).join(": ")] as const]),
          ...(command.result === null || command.result === undefined
            ? []
            : [[t("result"), <Json key="result" value={command.result} />] as const]),
        ]}
      />
      <section>
        <h3 className="mb-2 text-sm font-semibold">{t("steps")}</h3>
        <ol className="flex flex-col gap-3 border-l border-line pl-4">
          {command.steps.map((step) => (
            <li key={step.id} className="text-sm">
              <Status tone={toneOf(step.state)}>{stateText(step.state)}</Status>
              <p className="figures text-xs text-ink-soft">
                {t("stepBy", {
                  time: format.dateTime(Date.parse(step.at)),
                  name: step.actor_name ?? t(step.actor_kind === "device" ? "device_" : "service"),
                })}
              </p>
              {step.device_at !== null && (
                <p className="figures text-xs text-ink-faint">{t("deviceClock", { time: format.dateTime(Date.parse(step.device_at)) })}</p>
              )}
              {(step.detail ?? step.error_code) !== null && <p className="text-xs text-ink-soft">{step.detail ?? step.error_code}</p>}
            </li>
          ))}
        </ol>
      </section>
    </div>
  );
}

function Json({ value }: { value: unknown }) {
  return <pre className="overflow-x-auto rounded-md bg-sunken p-2 text-xs whitespace-pre-wrap">{JSON.stringify(value, null, 2)}</pre>;
}
