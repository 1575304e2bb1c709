import { KeyRound, Power } from "lucide-react";
import { useState } from "react";
import { api, query, queryClient } from "@/shared/api/client";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { ActionButton } from "@/shared/ui/button";
import { Confirm } from "@/shared/ui/confirm";
import { Panel } from "@/shared/ui/panel";
import { Await, Skeleton, useProblemText } from "@/shared/ui/states";
import { notify } from "@/shared/ui/toast";
import { deviceTexts } from "../texts";
import { SecretDialog } from "./secret-dialog";

const PATH = "/api/devices/{device_id}";

/** The keys of a device, and whether it may come in at all. */
export function Credentials({ deviceId }: { deviceId: string }) {
  const t = useText(deviceTexts);
  const format = useFormat();
  const problemText = useProblemText();
  const params = { path: { device_id: deviceId } };
  const asked = query.useQuery("get", PATH, { params });
  const [open, setOpen] = useState<"rotate" | "disable" | undefined>();
  const [secret, setSecret] = useState<string | undefined>();
  const [isBusy, setBusy] = useState(false);

  const run = (change: () => Promise<void>): void => {
    setBusy(true);
    change()
      .then(() => queryClient.invalidateQueries({ queryKey: ["get", PATH] }))
      .catch((error: unknown) => {
        notify("bad", problemText(error));
      })
      .finally(() => {
        setBusy(false);
        setOpen(undefined);
      });
  };
  const rotate = async (): Promise<void> => {
    const { data } = await api.POST("/api/devices/{device_id}/rotate-key", { params });
    setSecret(data?.api_key);
  };
  const enable = async (): Promise<void> => {
    await api.POST("/api/devices/{device_id}/enable", { params });
    notify("ok", t("enabled"));
  };
  const disable = async (): Promise<void> => {
    await api.POST("/api/devices/{device_id}/disable", { params });
    notify("ok", t("disabledNow"));
  };
  return (
    <Panel title={t("credentials")}>
      <Await asked={asked} loading={<Skeleton className="h-18" />}>
        {(device) => (
          <div className="flex flex-col gap-3">
            {device.keys.length === 0 && <p className="text-sm text-ink-soft">{t("noKeys")}</p>}
            <ul className="figures flex flex-col gap-1 text-sm">
              {device.keys.map((key) => (
                <li key={key.prefix} className="flex flex-wrap gap-x-3">
                  <code>{`${key.prefix}…`}</code>
                  <span className="text-ink-soft">
                    {key.expires_at === null
                      ? t("keySince", { time: format.dateTime(Date.parse(key.created_at)) })
                      : t("keyUntil", { time: format.dateTime(Date.parse(key.expires_at)) })}
                  </span>
                </li>
              ))}
            </ul>
            <div className="flex flex-wrap gap-2">
              <ActionButton permission="devices:write" icon={<KeyRound className="size-4" aria-hidden />} onClick={() => { setOpen("rotate"); }}>
                {t("rotate")}
              </ActionButton>
              {device.is_active ? (
                <ActionButton tone="danger" permission="devices:write" icon={<Power className="size-4" aria-hidden />} onClick={() => { setOpen("disable"); }}>
                  {t("disable")}
                </ActionButton>
              ) : (
                <ActionButton permission="devices:write" isBusy={isBusy} icon={<Power className="size-4" aria-hidden />} onClick={() => { run(enable); }}>
                  {t("enable")}
                </ActionButton>
              )}
            </div>
          </div>
        )}
      </Await>
      {open === "rotate" && (
        <Confirm title={t("rotateTitle")} action={t("rotate")} permission="devices:write" isBusy={isBusy} onConfirm={() => { run(rotate); }} onClose={() => { setOpen(undefined); }}>
          {t("rotateText")}
        </Confirm>
      )}
      {open === "disable" && (
        <Confirm title={t("disableTitle")} action={t("disable")} permission="devices:write" isBusy={isBusy} onConfirm={() => { run(disable); }} onClose={() => { setOpen(undefined); }}>
          {t("disableText")}
        </Confirm>
      )}
      {secret !== undefined && <SecretDialog title={t("keyTitle")} hint={t("keyOnce")} secret={secret} onClose={() => { setSecret(undefined); }} />}
    </Panel>
  );
}
