import { useInfiniteQuery } from "@tanstack/react-query";
import { api } from "@/shared/api/client";
import type { components } from "@/shared/api/generated/gateway";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { Button } from "@/shared/ui/button";
import { Dialog } from "@/shared/ui/dialog";
import { Await, EmptyState } from "@/shared/ui/states";
import { Badge } from "@/shared/ui/status";
import type { Tone } from "@/shared/ui/status";
import type { Schedule } from "../model/schedule-draft";
import { reportTexts } from "../texts";

type Sending = components["schemas"]["SendingAnswer"];
const TONES: Record<Sending["state"], Tone> = { waiting: "info", sent: "ok", refused: "warn", failed: "bad" };
const PAGE = 50;
/** While one waits, what became of it is asked for. */
const ASK_AGAIN_MS = 3_000;

/** What became of each sending of a schedule, the newest first. */
export function Sendings({ schedule, onClose }: { schedule: Schedule; onClose: () => void }) {
  const t = useText(reportTexts);
  const pages = useInfiniteQuery({
    queryKey: ["sendings", schedule.id],
    initialPageParam: null as string | null,
    queryFn: async ({ pageParam, signal }) => {
      const params = {
        path: { schedule_id: schedule.id },
        query: { limit: PAGE, ...(pageParam !== null && { before: pageParam }) },
      };
      const { data } = await api.GET("/api/report-schedules/{schedule_id}/sendings", { params, signal });
      return data as components["schemas"]["SendingPage"];
    },
    getNextPageParam: (last) => last.next_before,
    refetchInterval: ({ state }) =>
      state.data?.pages.some((page) => page.items.some((one) => one.state === "waiting")) === true ? ASK_AGAIN_MS : false,
  });
  return (
    <Dialog isOpen onClose={onClose} width="side" title={t("sendings")} description={schedule.name}>
      <Await asked={pages}>
        {(data) => {
          const sendings = data.pages.flatMap((page) => page.items);
          if (sendings.length === 0) return <EmptyState title={t("noSendings")}>{t("noSendingsHint")}</EmptyState>;
          return (
            <>
              <ol className="flex flex-col divide-y divide-line">
                {sendings.map((sending) => <One key={sending.id} sending={sending} />)}
              </ol>
              {pages.hasNextPage && (
                <Button tone="quiet" isBusy={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>
                  {t("olderSendings")}
                </Button>
              )}
            </>
          );
        }}
      </Await>
    </Dialog>
  );
}

function One({ sending }: { sending: Sending }) {
  const t = useText(reportTexts);
  const format = useFormat();
  const at = (moment: string): string => format.dateTime(Date.parse(moment));
  return (
    <li className="flex flex-col gap-1 py-3 text-sm">
      <div className="flex flex-wrap items-center gap-2">
        <span className="figures grow font-medium">{at(sending.finished_at ?? sending.due_at)}</span>
        <Badge tone={TONES[sending.state]}>{t(sending.state)}</Badge>
      </div>
      <p className="figures text-ink-soft">{t("covers", { from: at(sending.from), to: at(sending.to) })}</p>
      <p className="figures text-xs text-ink-faint">
        {[
          sending.rows === null ? undefined : t("rowCount", { count: sending.rows }),
          t("attempts", { count: sending.attempts }),
          sending.try_at === null ? undefined : t("tryAt", { time: at(sending.try_at) }),
        ].filter((part) => part !== undefined).join(" · ")}
      </p>
      {sending.reason !== null && (
        <p className="rounded-md bg-bad-soft px-2 py-1 break-words text-bad">
          {sending.code === null ? sending.reason : `${sending.reason} (${sending.code})`}
        </p>
      )}
    </li>
  );
}
