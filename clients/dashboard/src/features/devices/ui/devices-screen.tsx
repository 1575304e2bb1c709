import { useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { useLatestWanted, useStates, useUpdatedAt } from "@/shared/streams/hooks";
import type { LiveDevice } from "@/shared/streams/shapes";
import { Select } from "@/shared/ui/field";
import { PageHeader, Panel } from "@/shared/ui/panel";
import { SearchField } from "@/shared/ui/search-field";
import { EmptyState, LoadingState } from "@/shared/ui/states";
import { Status } from "@/shared/ui/status";
import { Table } from "@/shared/ui/table";
import type { Column } from "@/shared/ui/table";
import { standingOf } from "../model/device-status";
import { deviceTexts } from "../texts";
import { AddDevice } from "./add-device";
import { NewestValue } from "./newest-value";
import { useOwnerNames } from "./owner-names";
import { Seen } from "./seen";

interface Row {
  readonly id: string;
  readonly device: LiveDevice;
}

/** Every device that the person may see, as it is now. */
export function Screen() {
  const t = useText(deviceTexts);
  const format = useFormat();
  const navigate = useNavigate();
  const devices = useStates("devices");
  const isKnown = useUpdatedAt("devices") !== undefined;
  const [search, setSearch] = useState("");
  const [standing, setStanding] = useState("");
  const [group, setGroup] = useState("");
  useLatestWanted(undefined);

  const rows = useMemo(() => [...devices].map(([id, device]): Row => ({ id, device })), [devices]);
  const groups = useMemo(() => [...new Set(rows.flatMap((row) => row.device.groups))].sort(), [rows]);
  const shown = useMemo(
    () =>
      rows.filter(
        ({ device }) =>
          (standing === "" || standingOf(device).text === standing) && (group === "" || device.groups.includes(group)),
      ),
    [rows, standing, group],
  );
  const owners = useOwnerNames(useMemo(() => rows.map(({ device }) => device.owner_id), [rows]));
  const columns = useMemo((): Column<Row>[] => [
    {
      id: "name",
      header: t("name"),
      accessorFn: ({ id, device }) => `${device.name} ${id}`,
      meta: { width: "2" },
      cell: ({ row: { original } }) => (
        <span className="min-w-0 truncate">
          <span className="font-medium">{original.device.name}</span>
          {original.device.name !== original.id && <span className="ml-2 text-ink-faint">{original.id}</span>}
        </span>
      ),
    },
    {
      id: "status",
      header: t("status"),
      accessorFn: ({ device }) => t(standingOf(device).text),
      meta: { width: "7.5rem" },
      cell: ({ row: { original } }) => {
        const { tone, text } = standingOf(original.device);
        return <Status tone={tone}>{t(text)}</Status>;
      },
    },
    {
      id: "newest",
      header: t("newest"),
      enableSorting: false,
      meta: { width: "2", from: 45 },
      cell: ({ row: { original } }) => <NewestValue deviceId={original.id} />,
    },
    {
      id: "buffered",
      header: t("buffered"),
      accessorFn: ({ device }) => device.buffered ?? 0,
      meta: { width: "7rem", isNumber: true, from: 30 },
      cell: ({ row: { original } }) => format.number(original.device.buffered ?? 0),
    },
    {
      id: "seen",
      header: t("seen"),
      accessorFn: ({ device }) => device.last_seen ?? 0,
      meta: { width: "9rem", isNumber: true, from: 60 },
      cell: ({ row: { original } }) => <Seen deviceId={original.id} at={original.device.last_seen} />,
    },
    {
      id: "groups",
      header: t("groups"),
      accessorFn: ({ device }) => device.groups.join(", "),
      meta: { width: "1", from: 60 },
      cell: ({ row: { original } }) => <span className="truncate text-ink-soft">{original.device.groups.join(", ")}</span>,
    },
    {
      id: "owner",
      header: t("owner"),
      accessorFn: ({ device }) => owners.get(device.owner_id ?? "") ?? "",
      meta: { width: "1", from: 60 },
      cell: ({ row: { original } }) => <span className="truncate text-ink-soft">{owners.get(original.device.owner_id ?? "") ?? "—"}</span>,
    },
    {
      id: "kind",
      header: t("kind"),
      accessorFn: ({ device }) => device.kind,
      meta: { width: "8rem", from: 75 },
      cell: ({ row: { original } }) => <span className="truncate text-ink-soft">{original.device.kind}</span>,
    },
  ], [t, format, owners]);

  const online = rows.filter(({ device }) => standingOf(device).text === "online").length;
  return (
    <>
      <PageHeader
        title={t("title")}
        description={isKnown ? t("description", { online, total: rows.length }) : undefined}
        actions={
          <>
            <AddDevice />
            <SearchField value={search} onChange={setSearch} label={t("search")} />
            <Select aria-label={t("status")} value={standing} onChange={(event) => { setStanding(event.target.value); }} isInline>
              <option value="">{t("all")}</option>
              <option value="online">{t("online")}</option>
              <option value="offline">{t("offline")}</option>
              <option value="disabled">{t("disabled")}</option>
            </Select>
            {groups.length > 0 && (
              <Select aria-label={t("groups")} value={group} onChange={(event) => { setGroup(event.target.value); }} isInline>
                <option value="">{t("anyGroup")}</option>
                {groups.map((name) => (
                  <option key={name}>{name}</option>
                ))}
              </Select>
            )}
          </>
        }
      />
      {isKnown ? (
        <Panel isFlush>
          <Table
            rows={shown}
            columns={columns}
            rowId={(row) => row.id}
            label={t("title")}
            search={search}
            initialSort={[{ id: "name", desc: false }]}
            onOpen={(row) => void navigate({ to: "/devices/$deviceId", params: { deviceId: row.id } })}
            empty={rows.length === 0 ? <EmptyState title={t("none")}>{t("noneHint")}</EmptyState> : undefined}
          />
        </Panel>
      ) : (
        <LoadingState />
      )}
    </>
  );
}
