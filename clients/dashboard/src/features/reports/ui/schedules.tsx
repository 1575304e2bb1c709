import { History, Plus, Send } from "lucide-react";
import { useState } from "react";
import { api, query, queryClient } from "@/shared/api/client";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { ActionButton, IconButton } from "@/shared/ui/button";
import { Panel } from "@/shared/ui/panel";
import { Await, EmptyState, useProblemText } from "@/shared/ui/states";
import { Status } from "@/shared/ui/status";
import { Table } from "@/shared/ui/table";
import type { Column } from "@/shared/ui/table";
import { notify } from "@/shared/ui/toast";
import type { ReportFilters } from "../model/filters";
import type { Schedule } from "../model/schedule-draft";
import { reportTexts } from "../texts";
import type { ReportItem } from "./report-view";
import { ScheduleEditor } from "./schedule-editor";
import { Sendings } from "./sendings";

/** When a schedule sends, in words. */
function useRhythm(): (schedule: Schedule) => string {
  const t = useText(reportTexts);
  return ({ every, at = "", weekday = 1, day = 1, tz = "UTC" }) => {
    if (every === "day") return t("everyDayAt", { at, tz });
    const weekdays = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] as const;
    if (every === "week") return t("everyWeekAt", { weekday: t(weekdays[weekday - 1] ?? "monday"), at, tz });
    return t("everyMonthAt", { day, at, tz });
  };
}

/** One's own reports that are sent by themselves, and what became of each sending. */
export function Schedules({ kinds, filters }: { kinds: readonly ReportItem[]; filters: ReportFilters }) {
  const t = useText(reportTexts);
  const format = useFormat();
  const rhythm = useRhythm();
  const problemText = useProblemText();
  const schedules = query.useQuery("get", "/api/report-schedules");
  const [edited, setEdited] = useState<Schedule | "new" | undefined>();
  const [looked, setLooked] = useState<Schedule | undefined>();
  const [sending, setSending] = useState<string | undefined>();
  const send = (schedule: Schedule): void => {
    setSending(schedule.id);
    api
      .POST("/api/report-schedules/{schedule_id}/send", { params: { path: { schedule_id: schedule.id } } })
      .then(() => {
        notify("ok", t("isSent"));
        setLooked(schedule);
      })
      .catch((error: unknown) => { notify("bad", problemText(error)); })
      .finally(() => {
        setSending(undefined);
        void queryClient.invalidateQueries({ queryKey: ["sendings", schedule.id] });
      });
  };
  const columns: Column<Schedule>[] = [
    {
      id: "name",
      header: t("name"),
      accessorFn: (schedule) => schedule.name,
      cell: ({ row: { original } }) => <span className="truncate font-medium">{original.name}</span>,
    },
    {
      id: "kind",
      header: t("kind"),
      accessorFn: (schedule) => t(schedule.kind),
      meta: { from: 60 },
    },
    {
      id: "rhythm",
      header: t("when"),
      accessorFn: rhythm,
      meta: { width: "1.3", from: 45 },
    },
    {
      id: "next",
      header: t("next"),
      accessorFn: (schedule) => schedule.next_at,
      meta: { width: "12rem", from: 60 },
      cell: ({ row: { original } }) =>
        original.next_at === null ? (
          <Status tone="mute">{t("isOff")}</Status>
        ) : (
          <span className="figures text-ink-soft">{format.dateTime(Date.parse(original.next_at))}</span>
        ),
    },
    {
      id: "receivers",
      header: t("receivers"),
      accessorFn: (schedule) => schedule.receivers.join(", "),
      meta: { from: 75 },
      cell: ({ row: { original } }) => <span className="truncate text-ink-soft">{original.receivers.join(", ")}</span>,
    },
    {
      id: "actions",
      enableSorting: false,
      meta: { width: "7rem" },
      cell: ({ row: { original } }) => (
        // A press here is not one on the row.
        <span className="flex" role="presentation" onClick={(event) => { event.stopPropagation(); }}>
          <ActionButton
            tone="quiet"
            permission="reports:read"
            aria-label={t("sendNow", { name: original.name })}
            title={t("sendNow", { name: original.name })}
            isBusy={sending === original.id}
            icon={<Send className="size-4" aria-hidden />}
            onClick={() => { send(original); }}
          />
          <IconButton
            label={t("sendingsOf", { name: original.name })}
            icon={<History className="size-4" aria-hidden />}
            onClick={() => { setLooked(original); }}
          />
        </span>
      ),
    },
  ];
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center gap-3">
        <p className="min-w-48 grow basis-0 text-sm text-ink-soft">{t("schedulesHint")}</p>
        <ActionButton
          permission="reports:read"
          tone="primary"
          icon={<Plus className="size-4" aria-hidden />}
          onClick={() => { setEdited("new"); }}
        >
          {t("newSchedule")}
        </ActionButton>
      </div>
      <Await asked={schedules}>
        {({ items, is_mail_configured: hasMail }) => (
          <>
            {!hasMail && <p role="status" className="rounded-md bg-warn-soft px-3 py-2 text-sm text-warn">{t("noMail")}</p>}
            <Panel isFlush>
              <Table
                rows={items}
                columns={columns}
                rowId={(schedule) => schedule.id}
                label={t("tabSchedules")}
                initialSort={[{ id: "name", desc: false }]}
                onOpen={setEdited}
                empty={<EmptyState title={t("noSchedules")}>{t("noSchedulesHint")}</EmptyState>}
              />
            </Panel>
          </>
        )}
      </Await>
      {edited !== undefined && (
        <ScheduleEditor
          schedule={edited === "new" ? undefined : edited}
          kinds={kinds}
          filters={filters}
          onClose={() => { setEdited(undefined); }}
        />
      )}
      {looked !== undefined && <Sendings schedule={looked} onClose={() => { setLooked(undefined); }} />}
    </div>
  );
}
