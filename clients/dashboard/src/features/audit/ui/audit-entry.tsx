import type { components } from "@/shared/api/generated/identity";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { Dialog } from "@/shared/ui/dialog";
import { Facts } from "@/shared/ui/panel";
import { Status } from "@/shared/ui/status";
import type { Tone } from "@/shared/ui/status";
import { changesOf } from "../model/changes";
import { auditTexts } from "../texts";

export type AuditItem = components["schemas"]["AuditItem"];

const TONES: Record<AuditItem["outcome"], Tone> = { success: "ok", refused: "warn", failed: "bad" };

/** How an entry ended, in shape and word. */
export function Outcome({ outcome }: { outcome: AuditItem["outcome"] }) {
  const t = useText(auditTexts);
  return <Status tone={TONES[outcome]}>{t(outcome)}</Status>;
}

/** All that one entry says, beside the list. */
export function AuditEntry({ entry, onClose }: { entry: AuditItem; onClose: () => void }) {
  const t = useText(auditTexts);
  const format = useFormat();
  const changes = changesOf(entry.before, entry.after);
  const { actor, resource, count = 1 } = entry;
  return (
    <Dialog isOpen onClose={onClose} width="side" title={entry.action} description={t("entry", { seq: entry.seq })}>
      <div className="flex flex-col gap-5">
        <Facts
          facts={[
            [t("outcome"), <Outcome key="outcome" outcome={entry.outcome} />],
            ...(entry.reason == null ? [] : [[t("reason"), entry.reason] as const]),
            [t("at"), format.dateTime(Date.parse(entry.at))],
            ...(count > 1 && entry.last_at != null
              ? [["×", t("times", { count, time: format.time(Date.parse(entry.last_at)) })] as const]
              : []),
            [t("actor"), `${actor.name ?? actor.id ?? t("anonymous")} (${actor.kind})`],
            [t("resource"), [resource.type, resource.id].filter(Boolean).join(" · ")],
            [t("service"), entry.service],
            [t("address"), entry.address ?? "—"],
            [t("request"), entry.request_id ?? "—"],
            [t("digest"), <span key="digest" className="break-all">{entry.digest}</span>],
          ]}
        />
        {changes.length > 0 && (
          <section>
            <h3 className="mb-2 text-sm font-semibold">{t("changes")}</h3>
            <table className="w-full table-fixed text-left text-sm">
              <thead className="text-xs text-ink-soft">
                <tr>
                  <th scope="col" className="py-1 pr-2 font-medium">{t("field")}</th>
                  <th scope="col" className="py-1 pr-2 font-medium">{t("before")}</th>
                  <th scope="col" className="py-1 font-medium">{t("after")}</th>
                </tr>
              </thead>
              <tbody>
                {changes.map((change) => (
                  <tr key={change.field} className="border-t border-line align-top">
                    <th scope="row" className="py-1.5 pr-2 font-medium break-words">{change.field}</th>
                    <td className="py-1.5 pr-2 break-words text-ink-soft">{change.before ?? "—"}</td>
                    <td className="py-1.5 break-words">{change.after ?? "—"}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </section>
        )}
      </div>
    </Dialog>
  );
}
