import { useEffect, useMemo } from "react";
import { query } from "@/shared/api/client";
import type { components } from "@/shared/api/generated/sync";
import { useText } from "@/shared/i18n/messages";
import { useStates } from "@/shared/streams/hooks";
import { Field, Input, Select } from "@/shared/ui/field";
import { Panel } from "@/shared/ui/panel";
import { Await, EmptyState } from "@/shared/ui/states";
import { Table } from "@/shared/ui/table";
import type { Column } from "@/shared/ui/table";
import type { ConfigFilters } from "../model/filters";
import { configTexts } from "../texts";
import type { Listed } from "./entries";
import { ASK_AGAIN_MS, Standing } from "./in-force";
import { shownValue, useScopeText, Value } from "./saying";

type Setting = components["schemas"]["SettingAnswer"];

/** What holds on one device, which entry each value comes from, and what is different elsewhere or was before. */
export function Effective({ filters, onChoose, onOpen }: Listed) {
  const t = useText(configTexts);
  const devices = useStates("devices");
  const listed = useMemo(() => [...devices].sort(([, a], [, b]) => a.name.localeCompare(b.name)), [devices]);
  const { device } = filters;
  return (
    <div className="flex flex-col gap-4">
      <div className="grid items-end gap-3 sm:grid-cols-3">
        <Field label={t("device")}>
          {(control) => (
            <Select {...control} value={device ?? ""} onChange={(event) => { onChoose({ device: event.target.value }); }}>
              <option value="">{t("chooseDevice")}</option>
              {listed.map(([id, one]) => <option key={id} value={id}>{one.name}</option>)}
            </Select>
          )}
        </Field>
        {device !== undefined && (
          <>
            <Field label={t("compareWith")}>
              {(control) => (
                <Select {...control} value={filters.other ?? ""} onChange={(event) => { onChoose({ other: event.target.value }); }}>
                  <option value="">{t("nobody")}</option>
                  {listed.filter(([id]) => id !== device).map(([id, one]) => <option key={id} value={id}>{one.name}</option>)}
                </Select>
              )}
            </Field>
            <Field label={t("asItWas")}>
              {(control) => (
                <Input {...control} type="datetime-local" value={filters.then ?? ""} onChange={(event) => { onChoose({ then: event.target.value }); }} />
              )}
            </Field>
          </>
        )}
      </div>
      {device === undefined ? (
        <Panel><EmptyState title={t("chooseDevice")}>{t("chooseDeviceHint")}</EmptyState></Panel>
      ) : (
        <>
          {(filters.other !== undefined || filters.then !== undefined) && <Differences device={device} filters={filters} />}
          <Settings key={device} device={device} onOpen={onOpen} />
        </>
      )}
    </div>
  );
}

function Settings({ device, onOpen }: { device: string; onOpen: (id: string) => void }) {
  const t = useText(configTexts);
  const scopeText = useScopeText();
  const entries = useStates("config");
  const keys = query.useQuery("get", "/api/config/keys");
  const effective = query.useQuery(
    "get",
    "/api/config/effective/{device_id}",
    { params: { path: { device_id: device } } },
    { refetchInterval: ASK_AGAIN_MS },
  );
  const { refetch } = effective;
  useEffect(() => {
    void refetch();
  }, [entries, refetch]);
  const units = useMemo(() => new Map(keys.data?.items.map((one) => [one.key, one.spec.unit])), [keys.data]);
  const columns: Column<Setting>[] = [
    {
      id: "key",
      header: t("key"),
      accessorFn: (setting) => setting.key,
      meta: { width: "1.5" },
      cell: ({ row: { original } }) => <span className="truncate font-medium">{original.key}</span>,
    },
    {
      id: "value",
      header: t("value"),
      accessorFn: (setting) => shownValue(setting.value),
      cell: ({ row: { original } }) => <Value value={original.value} unit={units.get(original.key)} className="truncate" />,
    },
    {
      id: "from",
      header: t("comesFrom"),
      accessorFn: ({ entry }) => (entry === null ? t("byDefault") : scopeText(entry.scope, entry.target)),
      meta: { from: 30 },
      cell: ({ row: { original: { entry } } }) =>
        entry === null ? (
          <span className="text-ink-faint">{t("byDefault")}</span>
        ) : (
          <span className="truncate">
            {scopeText(entry.scope, entry.target)}
            <span className="figures ml-2 text-ink-faint">{t("versionShort", { version: entry.version })}</span>
          </span>
        ),
    },
    {
      id: "standing",
      header: t("standing"),
      accessorFn: (setting) => setting.is_in_force,
      meta: { width: "10rem", from: 45 },
      cell: ({ row: { original } }) => <Standing applied={original} />,
    },
  ];
  return (
    <Await asked={effective}>
      {(data) => (
        <Panel isFlush>
          <Table
            rows={data.items}
            columns={columns}
            rowId={(setting) => setting.key}
            label={t("tabDevice")}
            onOpen={(setting) => { if (setting.entry !== null) onOpen(setting.entry.id); }}
            height="max(20rem, calc(100dvh - 22rem))"
          />
        </Panel>
      )}
    </Await>
  );
}

function Differences({ device, filters: { other, then } }: { device: string; filters: ConfigFilters }) {
  const t = useText(configTexts);
  // The left side is the other device, or the same one as it was then.
  const asked = other === undefined ? { device_id: device } : { device_id: other, other: device };
  const diff = query.useQuery("get", "/api/config/diff", {
    params: { query: { ...asked, ...(then !== undefined && { from: new Date(then).toISOString() }) } },
  });
  return (
    <Panel title={t("differences")}>
      <Await asked={diff}>
        {({ items }) =>
          items.length === 0 ? (
            <p className="text-sm text-ink-soft">{t("noDifferences")}</p>
          ) : (
            <table className="w-full table-fixed text-left text-sm">
              <thead className="text-xs text-ink-soft">
                <tr>
                  <th scope="col" className="py-1 pr-2 font-medium">{t("key")}</th>
                  <th scope="col" className="py-1 pr-2 font-medium">{t(then === undefined ? "left" : "leftThen")}</th>
                  <th scope="col" className="py-1 font-medium">{t("right")}</th>
                </tr>
              </thead>
              <tbody>
                {items.map(({ key, left, right }) => (
                  <tr key={key} className="border-t border-line align-top">
                    <th scope="row" className="py-1.5 pr-2 font-medium break-words">{key}</th>
                    <td className="py-1.5 pr-2 break-words text-ink-soft"><Value value={left.value} /></td>
                    <td className="py-1.5 break-words"><Value value={right.value} /></td>
                  </tr>
                ))}
              </tbody>
            </table>
          )
        }
      </Await>
    </Panel>
  );
}
