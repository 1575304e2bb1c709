import { MonitorSmartphone } from "lucide-react";
import { query, queryClient } from "@/shared/api/client";
import type { components } from "@/shared/api/generated/identity";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { useFromNow } from "@/shared/time/ticker";
import { ActionButton } from "@/shared/ui/button";
import { Panel } from "@/shared/ui/panel";
import { Await, useProblemText } from "@/shared/ui/states";
import { Badge } from "@/shared/ui/status";
import { notify } from "@/shared/ui/toast";
import { programName } from "../model/program-name";
import { profileTexts } from "../texts";

type Session = components["schemas"]["SessionAnswer"];

function bringUpToDate(): void {
  void queryClient.invalidateQueries({ queryKey: ["get", "/api/profile/sessions"] });
}

/** Where one is signed in, and the way to end it there. */
export function Sessions() {
  const t = useText(profileTexts);
  const problemText = useProblemText();
  const sessions = query.useQuery("get", "/api/profile/sessions");
  const endOthers = query.useMutation("delete", "/api/profile/sessions");
  const others = sessions.data?.items.filter((session) => !session.is_current).length ?? 0;
  return (
    <Panel
      title={t("sessions")}
      actions={
        others > 0 && (
          <ActionButton
            isBusy={endOthers.isPending}
            onClick={() => {
              endOthers.mutate(
                {},
                {
                  onSuccess: () => {
                    notify("ok", t("othersEnded"));
                  },
                  onError: (error: unknown) => {
                    notify("bad", problemText(error));
                  },
                  onSettled: bringUpToDate,
                },
              );
            }}
          >
            {t("endOthers")}
          </ActionButton>
        )
      }
    >
      <p className="mb-3 text-sm text-ink-soft">{t("sessionsHint")}</p>
      <Await asked={sessions}>
        {(data) => (
          <ul className="flex flex-col divide-y divide-line">
            {data.items.map((session) => (
              <SessionRow key={session.id} session={session} />
            ))}
          </ul>
        )}
      </Await>
    </Panel>
  );
}

function SessionRow({ session }: { session: Session }) {
  const t = useText(profileTexts);
  const format = useFormat();
  const problemText = useProblemText();
  const end = query.useMutation("delete", "/api/profile/sessions/{session_id}");
  const used = useFromNow((now) => format.ago(Math.min(now, Date.parse(session.last_used_at)), now));
  const name = programName(session.user_agent) ?? t("unknownBrowser");
  return (
    <li className="flex items-center gap-3 py-2.5">
      <MonitorSmartphone className="size-5 shrink-0 text-ink-faint" aria-hidden />
      <div className="min-w-0 grow">
        <p className="flex flex-wrap items-center gap-2 text-sm font-medium">
          {name}
          {session.is_current && <Badge tone="info">{t("thisOne")}</Badge>}
        </p>
        <p className="figures text-xs text-ink-soft">{t("lastUsed", { time: used })}</p>
        <p className="figures text-xs text-ink-faint">
          {t("openedAt", { time: format.dateTime(Date.parse(session.created_at)), address: session.address })}
        </p>
      </div>
      {!session.is_current && (
        <ActionButton
          tone="danger"
          aria-label={t("endAria", { name })}
          isBusy={end.isPending}
          onClick={() => {
            end.mutate(
              { params: { path: { session_id: session.id } } },
              {
                onSuccess: () => {
                  notify("ok", t("ended"));
                },
                onError: (error: unknown) => {
                  notify("bad", problemText(error));
                },
                onSettled: bringUpToDate,
              },
            );
          }}
        >
          {t("end")}
        </ActionButton>
      )}
    </li>
  );
}
