import { useMemo } from "react";
import { useText } from "@/shared/i18n/messages";
import { useSample, useStates } from "@/shared/streams/hooks";
import { live } from "@/shared/streams/live";
import { useFromNow } from "@/shared/time/ticker";
import { Panel } from "@/shared/ui/panel";
import { fill, shown } from "../../model/message";
import type { RuleDraft } from "../../model/rule-draft";
import { ruleTexts } from "../../rule-texts";
import { SeverityMark } from "../marks";
import { hasMetric, watchedDevices, watchedMetric } from "./watched";

function threshold(draft: RuleDraft): string {
  if (draft.kind === "no_data") return `${draft.span.amount} ${draft.span.unit}`;
  if (draft.kind === "anomaly") return `${draft.k} MAD`;
  if (draft.operator === "between" || draft.operator === "outside") return `${draft.low}…${draft.high}`;
  return draft.value.split("\n").filter(Boolean).join(", ");
}

/** What an alarm of this rule would say, with a value that is there just now. */
export function Preview({ draft }: { draft: RuleDraft }) {
  const t = useText(ruleTexts);
  const devices = useStates("devices");
  const ids = useMemo(() => watchedDevices(draft, devices), [draft, devices]);
  // Values may still be on their way: which device has the metric is looked at again every second.
  const deviceId = useFromNow(() => ids.find((id) => hasMetric(draft.metric, id)) ?? ids[0] ?? "");
  const metric = watchedMetric(draft.metric, deviceId);
  const sample = useSample(deviceId, metric);
  const now = useFromNow(() => `${new Date(live.serverNow()).toISOString().slice(0, 19)}+00:00`);
  const text = fill(draft.message, {
    device: deviceId === "" ? t("sampleDevice") : deviceId,
    device_name: devices.get(deviceId)?.name ?? t("sampleDevice"),
    metric,
    value: draft.kind === "no_data" ? "" : shown(sample?.value ?? threshold(draft)),
    unit: draft.unit,
    threshold: threshold(draft),
    severity: draft.severity,
    rule: draft.name,
    time: now,
  });
  return (
    <Panel title={t("preview")}>
      <div className="flex flex-col gap-1.5">
        <SeverityMark severity={draft.severity} />
        <p className="font-medium break-words">{text}</p>
      </div>
    </Panel>
  );
}
