import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useCallback, useMemo, useState } from "react";
import { query, queryClient } from "@/shared/api/client";
import { ApiProblem } from "@/shared/api/problem";
import { useText } from "@/shared/i18n/messages";
import { ActionButton } from "@/shared/ui/button";
import { cx } from "@/shared/ui/classes";
import { Panel } from "@/shared/ui/panel";
import { Await, EmptyState, useProblemText } from "@/shared/ui/states";
import { Table } from "@/shared/ui/table";
import type { Column } from "@/shared/ui/table";
import { notify } from "@/shared/ui/toast";
import { channelDraftOf, readChannelDraft } from "../../model/channel-draft";
import type { Channel } from "../../model/channel-draft";
import { channelTexts } from "../../channel-texts";
import { formTexts } from "../../texts";
import { Toggle } from "../form/toggle";
import { CHANNELS_PATH, readChannel, saveChannel } from "./api";
import { ChannelEditor } from "./channel-editor";

const route = getRouteApi("/alerts");

/** Who is told: the channels, or the one that is edited. */
export function Channels({ edited }: { edited: string | undefined }) {
  const navigate = route.useNavigate();
  const open = (id: string): void => {
    void navigate({ to: "/alerts", search: { tab: "channels", edit: id } });
  };
  if (edited === undefined) return <ChannelList onOpen={open} />;
  return edited === "new" ? <ChannelEditor key="new" channel={undefined} onSaved={open} /> : <Existing key={edited} id={edited} onSaved={open} />;
}

function Existing({ id, onSaved }: { id: string; onSaved: (id: string) => void }) {
  // Read anew for every editing, and not under the hands of whoever edits.
  const channel = useQuery({
    queryKey: ["edit", CHANNELS_PATH, id],
    queryFn: () => readChannel(id),
    gcTime: 0,
    staleTime: Infinity,
    refetchOnWindowFocus: false,
  });
  return <Await asked={channel}>{(data) => <ChannelEditor channel={data} onSaved={onSaved} />}</Await>;
}

function ChannelList({ onOpen }: { onOpen: (id: string) => void }) {
  const t = useText(channelTexts);
  const channels = query.useQuery("get", CHANNELS_PATH);
  return (
    <div className="flex flex-col gap-4">
      <ActionButton
        permission="alert_rules:write"
        tone="primary"
        className="self-end"
        icon={<Plus className="size-4" aria-hidden />}
        onClick={() => { onOpen("new"); }}
      >
        {t("add")}
      </ActionButton>
      <Await asked={channels}>{(data) => <Rows channels={data.items} onOpen={onOpen} />}</Await>
    </div>
  );
}

function Rows({ channels, onOpen }: { channels: readonly Channel[]; onOpen: (id: string) => void }) {
  const t = useText(channelTexts);
  const form = useText(formTexts);
  const where = useCallback(
    (channel: Channel): string => (channel.kind === "mqtt" ? t("ownScreens") : channel.kind === "email" ? channel.recipients.join(", ") : (channel.url_origin ?? "")),
    [t],
  );
  const wants = useCallback(
    ({ filter }: Channel): string => {
      const parts = [
        filter.severities.map((one) => t(one as "critical" | "warning" | "info")).join(", "),
        filter.kinds.map((one) => t(one as "raised" | "cleared")).join(", "),
        filter.groups.join(", "),
        filter.rule_ids.length > 0 ? `${t("rules")}: ${String(filter.rule_ids.length)}` : "",
      ].filter((part) => part !== "");
      return parts.length === 0 ? t("everything") : parts.join(" · ");
    },
    [t],
  );
  const columns = useMemo((): Column<Channel>[] => [
    {
      id: "on",
      header: t("isOn"),
      enableSorting: false,
      meta: { width: "4.5rem" },
      cell: ({ row: { original } }) => <Switch channel={original} />,
    },
    {
      id: "name",
      header: form("name"),
      accessorFn: (channel) => channel.name,
      cell: ({ row: { original } }) => (
        <span className={cx("truncate font-medium", !original.is_enabled && "text-ink-faint")}>{original.name}</span>
      ),
    },
    {
      id: "kind",
      header: t("kind"),
      accessorFn: (channel) => t(channel.kind),
      meta: { width: "9rem", from: 30 },
      cell: ({ row: { original } }) => t(original.kind),
    },
    {
      id: "where",
      header: t("where"),
      accessorFn: where,
      meta: { width: "1.5", from: 45 },
      cell: ({ row: { original } }) => <span className="truncate text-ink-soft">{where(original)}</span>,
    },
    {
      id: "wants",
      header: t("wants"),
      accessorFn: wants,
      meta: { width: "1.2", from: 60 },
      cell: ({ row: { original } }) => <span className="truncate text-ink-soft">{wants(original)}</span>,
    },
    {
      id: "manners",
      header: t("manners"),
      enableSorting: false,
      meta: { width: "1", from: 75 },
      cell: ({ row: { original: { quiet_hours: quiet } } }) => (
        <span className="figures truncate text-ink-soft">{quiet === null ? "" : t("quiet", { start: quiet.start, end: quiet.end })}</span>
      ),
    },
  ], [t, form, where, wants]);
  return (
    <Panel isFlush>
      <Table
        rows={channels}
        columns={columns}
        rowId={(channel) => channel.id}
        label={t("where")}
        initialSort={[{ id: "name", desc: false }]}
        onOpen={(channel) => { onOpen(channel.id); }}
        empty={<EmptyState title={t("none")}>{t("noneHint")}</EmptyState>}
        height="max(20rem, calc(100dvh - 22rem))"
      />
    </Panel>
  );
}

function Switch({ channel }: { channel: Channel }) {
  const t = useText(channelTexts);
  const problemText = useProblemText();
  const [isBusy, setBusy] = useState(false);
  const { name } = channel;
  const change = (isOn: boolean): void => {
    const read = readChannelDraft({ ...channelDraftOf(channel), isEnabled: isOn }, false);
    if (!("body" in read)) return;
    setBusy(true);
    saveChannel(read.body, channel)
      .then(() => {
        notify("ok", t(isOn ? "switchedOn" : "switchedOff", { name }));
      })
      .catch((error: unknown) => {
        if (error instanceof ApiProblem && error.status === 412) {
          notify("warn", t("conflict", { name }));
          return queryClient.invalidateQueries({ queryKey: ["get", CHANNELS_PATH] });
        }
        notify("bad", problemText(error));
        return undefined;
      })
      .finally(() => {
        setBusy(false);
      });
  };
  return (
    <Toggle
      isOn={channel.is_enabled}
      label={t(channel.is_enabled ? "switchOff" : "switchOn", { name })}
      permission="alert_rules:write"
      isBusy={isBusy}
      onChange={change}
    />
  );
}
