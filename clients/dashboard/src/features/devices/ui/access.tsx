import { UserRound, UsersRound, X } from "lucide-react";
import { useState } from "react";
import { api, query, queryClient } from "@/shared/api/client";
import type { components } from "@/shared/api/generated/identity";
import { ApiProblem } from "@/shared/api/problem";
import { useText } from "@/shared/i18n/messages";
import { usePermission, useUser } from "@/shared/session/session";
import { ActionButton, useBlockedReason } from "@/shared/ui/button";
import { Field, Input, Select } from "@/shared/ui/field";
import { Facts, Panel } from "@/shared/ui/panel";
import { Await, Skeleton, useProblemText } from "@/shared/ui/states";
import { notify } from "@/shared/ui/toast";
import { accessTexts } from "../access-texts";

type Device = components["schemas"]["DeviceDetail"];
type Share = components["schemas"]["ShareAnswer"];
type Level = components["schemas"]["ShareLevel"];
type Kind = "user" | "role";

const SHARES = "/api/devices/{device_id}/shares";
/** Names to choose from; whoever knows another one types it. */
const OFFERED = 200;

function nameOf(share: Share): string {
  return share.user ?? share.role ?? "";
}

/** Whose the device is, and with whom it is shared at which level. */
export function Access({ deviceId }: { deviceId: string }) {
  const t = useText(accessTexts);
  const params = { path: { device_id: deviceId } };
  const device = query.useQuery("get", "/api/devices/{device_id}", { params });
  const shares = query.useQuery("get", SHARES, { params });
  return (
    <Panel title={t("title")}>
      <Await asked={device} loading={<Skeleton className="h-52" />}>
        {(data) => (
          <div className="flex flex-col gap-4">
            <Owner device={data} />
            <Await asked={shares} loading={<Skeleton className="h-40" />}>{({ items }) => <Shares device={data} shares={items} />}</Await>
          </div>
        )}
      </Await>
    </Panel>
  );
}

function Owner({ device }: { device: Device }) {
  const t = useText(accessTexts);
  const self = useUser()?.id;
  const name = device.owner_name ?? t("nobody");
  return (
    <Facts
      facts={[
        [t("owner"), device.owner_id !== null && device.owner_id === self ? t("youOwn", { name }) : name],
        [t("access"), t(`access_${device.access}`)],
      ]}
    />
  );
}

function Shares({ device, shares }: { device: Device; shares: readonly Share[] }) {
  const t = useText(accessTexts);
  const problemText = useProblemText();
  const [isBusy, setBusy] = useState(false);
  const isOwners = device.access === "owner" || device.access === "all";
  const blocked = isOwners ? undefined : t("ownersOnly");
  const params = { path: { device_id: device.id } };

  const run = async (change: () => Promise<unknown>, done: string): Promise<unknown> => {
    setBusy(true);
    try {
      await change();
      notify("ok", done);
      return undefined;
    } catch (error) {
      return error;
    } finally {
      setBusy(false);
      void queryClient.invalidateQueries({ queryKey: ["get", SHARES] });
    }
  };
  const say = (problem: unknown): void => {
    if (problem !== undefined) notify("bad", problemText(problem));
  };
  const share = (kind: Kind, name: string, level: Level): Promise<unknown> =>
    run(
      () => api.POST(SHARES, { params, body: { level, ...(kind === "user" ? { user: name } : { role: name }) } }),
      t("shared", { name }),
    );
  const takeBack = (one: Share): void => {
    const path = { device_id: device.id, share_id: one.id };
    void run(
      () => api.DELETE("/api/devices/{device_id}/shares/{share_id}", { params: { path } }),
      t("takenBack", { name: nameOf(one) }),
    ).then(say);
  };
  return (
    <>
      {shares.length === 0 ? (
        <p className="text-sm text-ink-soft">{t("notShared")}</p>
      ) : (
        <ul aria-label={t("sharedWith")} className="flex flex-col gap-1.5">
          {shares.map((one) => (
            <OneShare
              key={one.id}
              share={one}
              isBusy={isBusy}
              blocked={blocked}
              onLevel={(level) => void share(one.user === null ? "role" : "user", nameOf(one), level).then(say)}
              onTakeBack={() => { takeBack(one); }}
            />
          ))}
        </ul>
      )}
      {isOwners && <NewShare isBusy={isBusy} onShare={share} />}
    </>
  );
}

function OneShare({ share, isBusy, blocked, onLevel, onTakeBack }: {
  share: Share;
  isBusy: boolean;
  blocked: string | undefined;
  onLevel: (level: Level) => void;
  onTakeBack: () => void;
}) {
  const t = useText(accessTexts);
  const name = nameOf(share);
  const Icon = share.user === null ? UsersRound : UserRound;
  const reason = useBlockedReason("devices:write", blocked);
  return (
    <li className="flex min-w-0 items-center gap-2 text-sm">
      <Icon className="size-4 shrink-0 text-ink-faint" aria-hidden />
      <span className="min-w-0 grow truncate">{t(share.user === null ? "roleNamed" : "userNamed", { name })}</span>
      <Select
        isInline
        aria-label={t("levelOf", { name })}
        title={reason}
        value={share.level}
        disabled={reason !== undefined || isBusy}
        onChange={(event) => { onLevel(event.target.value === "control" ? "control" : "read"); }}
      >
        <option value="read">{t("read")}</option>
        <option value="control">{t("control")}</option>
      </Select>
      <ActionButton
        permission="devices:write"
        tone="quiet"
        blocked={blocked}
        isBusy={isBusy}
        aria-label={t("takeBack", { name })}
        title={t("takeBack", { name })}
        icon={<X className="size-4" aria-hidden />}
        onClick={onTakeBack}
      />
    </li>
  );
}

function NewShare({ isBusy, onShare }: { isBusy: boolean; onShare: (kind: Kind, name: string, level: Level) => Promise<unknown> }) {
  const t = useText(accessTexts);
  const problemText = useProblemText();
  const [kind, setKind] = useState<Kind>("user");
  const [name, setName] = useState("");
  const [level, setLevel] = useState<Level>("read");
  const [error, setError] = useState<string | undefined>();
  const offered = useOffered(kind);
  const submit = (): void => {
    const wanted = name.trim();
    if (wanted === "") {
      setError(t("missing"));
      return;
    }
    setError(undefined);
    void onShare(kind, wanted, level).then((problem) => {
      if (problem === undefined) setName("");
      else if (problem instanceof ApiProblem && problem.code === `unknown_${kind}`) setError(t(`unknown_${kind}`));
      else setError(problemText(problem));
    });
  };
  return (
    <form
      noValidate
      className="grid grid-cols-2 items-start gap-3 border-t border-line pt-3"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <Field label={t("kind")}>
        {(control) => (
          <Select {...control} value={kind} onChange={(event) => { setKind(event.target.value === "role" ? "role" : "user"); }}>
            <option value="user">{t("user")}</option>
            <option value="role">{t("role")}</option>
          </Select>
        )}
      </Field>
      <Field label={t("name")} error={error}>
        {(control) => (
          <>
            <Input {...control} list={`${control.id}-names`} maxLength={64} autoComplete="off" value={name} onChange={(event) => { setName(event.target.value); }} />
            <datalist id={`${control.id}-names`}>
              {offered.map((one) => <option key={one} value={one} />)}
            </datalist>
          </>
        )}
      </Field>
      <Field label={t("level")}>
        {(control) => (
          <Select {...control} value={level} onChange={(event) => { setLevel(event.target.value === "control" ? "control" : "read"); }}>
            <option value="read">{t("read")}</option>
            <option value="control">{t("control")}</option>
          </Select>
        )}
      </Field>
      <ActionButton permission="devices:write" type="submit" isBusy={isBusy} className="self-end">
        {t("share")}
      </ActionButton>
    </form>
  );
}

/** Names that can be chosen, for whoever may see them. */
function useOffered(kind: Kind): readonly string[] {
  const seesUsers = usePermission("users:read");
  const seesRoles = usePermission("roles:read");
  const params = { query: { limit: OFFERED } };
  const users = query.useQuery("get", "/api/users", { params }, { enabled: kind === "user" && seesUsers });
  const roles = query.useQuery("get", "/api/roles", { params }, { enabled: kind === "role" && seesRoles });
  return kind === "user" ? (users.data?.items.map((one) => one.username) ?? []) : (roles.data?.items.map((one) => one.name) ?? []);
}
