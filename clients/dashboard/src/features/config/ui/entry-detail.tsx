import { keepPreviousData } from "@tanstack/react-query";
import { useEffect, useId, useState } from "react";
import { api, query } from "@/shared/api/client";
import type { components } from "@/shared/api/generated/sync";
import { ApiProblem } from "@/shared/api/problem";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { useStateOf } from "@/shared/streams/hooks";
import { ActionButton, Button } from "@/shared/ui/button";
import { cx } from "@/shared/ui/classes";
import { Confirm } from "@/shared/ui/confirm";
import { Dialog } from "@/shared/ui/dialog";
import { Facts } from "@/shared/ui/panel";
import { Await, EmptyState, useProblemText } from "@/shared/ui/states";
import { notify } from "@/shared/ui/toast";
import { ValueField } from "@/shared/values/value-field";
import { parseValue, typedText } from "@/shared/values/value-spec";
import type { Value as SpecValue, ValueSpec } from "@/shared/values/value-spec";
import { addressOf } from "../model/filters";
import type { Address } from "../model/filters";
import { configTexts } from "../texts";
import { bringUpToDate, ENTRY, ifMatch, putEntry } from "./put-entry";
import { shownValue, usePersonName, useScopeText, Value } from "./saying";
import { InForce } from "./in-force";

type Entry = components["schemas"]["EntryAnswer"];
const FEW_VERSIONS = 10;
const MANY_VERSIONS = 500;

/** All of one entry beside the list: its value, where it is in force, its versions. */
export function EntryDetail({ id, onClose }: { id: string; onClose: () => void }) {
  const address = addressOf(id);
  return address === undefined ? null : <Detail id={id} address={address} onClose={onClose} />;
}

function Detail({ id, address, onClose }: { id: string; address: Address; onClose: () => void }) {
  const t = useText(configTexts);
  const scopeText = useScopeText();
  const entry = query.useQuery("get", ENTRY, { params: { path: address } });
  const liveVersion = useStateOf("config", id)?.version;
  const knownVersion = entry.data?.version;
  useEffect(() => {
    if (knownVersion !== undefined && liveVersion !== knownVersion) bringUpToDate();
  }, [liveVersion, knownVersion]);
  const isGone = entry.error instanceof ApiProblem && entry.error.status === 404;
  return (
    <Dialog isOpen onClose={onClose} width="side" title={address.key} description={scopeText(address.scope, address.target)}>
      <div className="flex flex-col gap-6">
        {isGone ? (
          <EmptyState title={t("gone")}>{t("goneHint")}</EmptyState>
        ) : (
          <Await asked={entry}>{(data) => <Editor entry={data} address={address} />}</Await>
        )}
        <InForce entryId={id} configKey={address.key} />
        <Versions address={address} current={isGone ? undefined : knownVersion} />
      </div>
    </Dialog>
  );
}

function Editor({ entry, address }: { entry: Entry; address: Address }) {
  const t = useText(configTexts);
  const form = useId();
  const format = useFormat();
  const nameOf = usePersonName();
  const keys = query.useQuery("get", "/api/config/keys");
  // What is typed, and the version that it was typed upon.
  const [draft, setDraft] = useState<{ text: string; base: number } | undefined>();
  const [isTried, setTried] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [isRemoving, setRemoving] = useState(false);
  const [problem, setProblem] = useState<unknown>();
  const problemText = useWriteProblem();

  const spec = keys.data?.items.find((one) => one.key === entry.key)?.spec;
  const isStale = draft !== undefined && draft.base !== entry.version;
  const run = (work: () => Promise<unknown>): void => {
    setBusy(true);
    setProblem(undefined);
    work()
      .catch((error: unknown) => {
        // Somebody was faster: what they made of it is asked for, and then said.
        if (!(error instanceof ApiProblem && error.status === 412)) setProblem(error);
      })
      .finally(() => {
        setBusy(false);
        setRemoving(false);
      });
  };
  const save = (): void => {
    if (draft === undefined || spec === undefined) return;
    setTried(true);
    const parsed = parseValue(draft.text, { ...spec, is_required: true });
    if ("fault" in parsed || parsed.value === undefined) return;
    const { value } = parsed;
    run(async () => {
      const saved = await putEntry(address, value, draft.base);
      setDraft(undefined);
      setTried(false);
      notify("ok", t("saved", { version: saved.version }));
    });
  };
  const remove = (): void => {
    const params = { path: address, header: ifMatch(entry.version) };
    run(async () => {
      await api.DELETE(ENTRY, { params }).finally(bringUpToDate);
      notify("ok", t("removed"));
    });
  };
  return (
    <section className="flex flex-col gap-4">
      <Facts
        facts={[
          [t("version"), entry.version],
          [t("changed"), format.dateTime(Date.parse(entry.updated_at))],
          [t("by"), nameOf(entry.updated_by, entry.source)],
        ]}
      />
      {isStale && (
        <div role="alert" className="flex flex-col gap-2 rounded-md bg-warn-soft px-3 py-2.5 text-sm">
          <p className="font-medium text-warn">{t("staleTitle")}</p>
          <p>{t("staleHint", { version: entry.version, value: shownValue(entry.value) })}</p>
          <div className="flex flex-wrap gap-2">
            <Button onClick={() => { setDraft(undefined); }}>{t("takeTheirs")}</Button>
            <Button onClick={() => { setDraft({ text: draft.text, base: entry.version }); }}>{t("keepMine")}</Button>
          </div>
        </div>
      )}
      {problem !== undefined && (
        <p role="alert" className="rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">{problemText(problem)}</p>
      )}
      <Await asked={keys}>
        {() =>
          spec === undefined ? (
            <>
              <Value value={entry.value} />
              <p className="text-sm text-ink-soft">{t("unknownKey")}</p>
            </>
          ) : (
            <form
              id={form}
              noValidate
              onSubmit={(event) => {
                event.preventDefault();
                if (!isStale) save();
              }}
            >
              <ValueField
                label={t("value")}
                spec={needed(spec)}
                text={draft?.text ?? typedText(entry.value)}
                isChecked={isTried}
                onChange={(text) => {
                  setDraft({ text, base: draft?.base ?? entry.version });
                }}
              />
            </form>
          )
        }
      </Await>
      <div className="flex flex-wrap justify-end gap-2">
        <ActionButton permission="config:write" tone="danger" isBusy={isBusy} onClick={() => { setRemoving(true); }}>
          {t("remove")}
        </ActionButton>
        {spec !== undefined && (
          <ActionButton
            permission="config:write"
            tone="primary"
            type="submit"
            form={form}
            isBusy={isBusy}
            blocked={isStale ? t("staleTitle") : draft === undefined ? t("unchanged") : undefined}
          >
            {t("save")}
          </ActionButton>
        )}
      </div>
      {isRemoving && (
        <Confirm
          title={t("removeTitle")}
          action={t("remove")}
          permission="config:write"
          isBusy={isBusy}
          onConfirm={remove}
          onClose={() => { setRemoving(false); }}
        >
          {t("removeText")}
        </Confirm>
      )}
    </section>
  );
}

/** An entry always holds a value: nothing typed is not one. */
function needed(spec: ValueSpec): ValueSpec {
  return { ...spec, is_required: true };
}

/** Why a change was refused: the service's own words say more than that one may not. */
export function useWriteProblem(): (error: unknown) => string {
  const problemText = useProblemText();
  return (error) => {
    if (!(error instanceof ApiProblem) || error.isUnreachable) return problemText(error);
    return error.fields.length > 0 ? error.fields.map((field) => field.message).join(" ") : error.message;
  };
}

function Versions({ address, current }: { address: Address; current: number | undefined }) {
  const t = useText(configTexts);
  const format = useFormat();
  const nameOf = usePersonName();
  const problemText = useWriteProblem();
  const [limit, setLimit] = useState(FEW_VERSIONS);
  const [busy, setBusy] = useState<number | undefined>();
  const history = query.useQuery(
    "get",
    "/api/config/{scope}/{target}/{key}/history",
    { params: { path: address, query: { limit } } },
    { placeholderData: keepPreviousData },
  );
  const restore = (version: number, value: SpecValue): void => {
    setBusy(version);
    putEntry(address, value, current)
      .then((entry) => { notify("ok", t("restored", { restored: version, version: entry.version })); })
      .catch((error: unknown) => {
        notify("bad", error instanceof ApiProblem && error.status === 412 ? t("staleTitle") : problemText(error));
      })
      .finally(() => { setBusy(undefined); });
  };
  return (
    <section>
      <h3 className="mb-2 text-sm font-semibold">{t("versions")}</h3>
      <Await asked={history}>
        {(data) => (
          <>
            {data.items.length === 0 && <p className="text-sm text-ink-soft">{t("noVersions")}</p>}
            <ol className="flex flex-col divide-y divide-line">
              {data.items.map((change) => (
                <li key={change.version} className="flex flex-col gap-1 py-2.5 text-sm">
                  <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
                    <span className="figures font-medium">{t("versionOf", { version: change.version })}</span>
                    <span className="figures grow text-xs text-ink-soft">
                      {`${format.dateTime(Date.parse(change.at))} · ${nameOf(change.updated_by, change.source)}`}
                    </span>
                    {change.version !== current && change.after !== null && (
                      <ActionButton
                        permission="config:write"
                        isBusy={busy === change.version}
                        aria-label={t("restoreOf", { version: change.version })}
                        onClick={() => { restore(change.version, change.after as SpecValue); }}
                      >
                        {t("restore")}
                      </ActionButton>
                    )}
                  </div>
                  <dl className="grid grid-cols-[auto_1fr] gap-x-3 break-words">
                    <dt className="text-ink-faint">{t("before")}</dt>
                    <dd className={cx("min-w-0 rounded-sm px-1.5", change.before !== null && "bg-bad-soft line-through decoration-bad/60")}>
                      <Value value={change.before} />
                    </dd>
                    <dt className="text-ink-faint">{t("after")}</dt>
                    <dd className={cx("min-w-0 rounded-sm px-1.5", change.after !== null && "bg-ok-soft")}><Value value={change.after} /></dd>
                  </dl>
                </li>
              ))}
            </ol>
            {data.total > data.items.length && limit < MANY_VERSIONS && (
              <Button tone="quiet" isBusy={history.isFetching} onClick={() => { setLimit(MANY_VERSIONS); }}>
                {t("olderVersions")}
              </Button>
            )}
          </>
        )}
      </Await>
    </section>
  );
}
