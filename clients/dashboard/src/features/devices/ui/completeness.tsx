import { query } from "@/shared/api/client";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { usePermission } from "@/shared/session/session";
import type { LiveDevice } from "@/shared/streams/shapes";
import { Facts, Panel } from "@/shared/ui/panel";
import { completeShare } from "../model/device-status";
import { deviceTexts } from "../texts";

/** Which of a device's numbered readings are here: the share live, the missing ranges as they were when asked. */
export function Completeness({ deviceId, device }: { deviceId: string; device: LiveDevice }) {
  const t = useText(deviceTexts);
  const format = useFormat();
  const share = completeShare(device);
  const report = device.completeness;
  if (report === null || share === undefined) {
    return (
      <Panel title={t("completeness")}>
        <p className="text-sm text-ink-soft">{t("noReport")}</p>
      </Panel>
    );
  }
  return (
    <Panel title={t("completeness")}>
      <p className="figures text-2xl font-semibold">{t("complete", { ratio: format.percent(share) })}</p>
      <div aria-hidden className="mt-2 mb-3 flex h-2 overflow-hidden rounded-full bg-mute-soft">
        <span className="bg-ok" style={{ flexGrow: report.received }} />
        <span className="hatched" style={{ flexGrow: report.missing }} />
        <span className="bg-bad" style={{ flexGrow: report.lost }} />
      </div>
      <Facts
        facts={[
          [t("received"), format.number(report.received)],
          [t("missing"), format.number(report.missing)],
          [t("lost"), format.number(report.lost)],
          [t("buffered"), format.number(device.buffered ?? 0)],
        ]}
      />
      {report.missing + report.lost > 0 && <Ranges deviceId={deviceId} />}
    </Panel>
  );
}

function Ranges({ deviceId }: { deviceId: string }) {
  const t = useText(deviceTexts);
  const format = useFormat();
  const isAllowed = usePermission("telemetry:read");
  const asked = query.useQuery(
    "get",
    "/api/telemetry/completeness/{device_id}",
    { params: { path: { device_id: deviceId } } },
    { enabled: isAllowed },
  );
  const written = (ranges: readonly (readonly number[])[]): string =>
    ranges.map(([from, to]) => (from === to ? format.number(from ?? 0) : `${format.number(from ?? 0)}–${format.number(to ?? 0)}`)).join(", ");
  const epochs = (asked.data?.epochs ?? []).filter((one) => one.missing + one.lost > 0);
  return (
    // What scrolls must be reached with the keyboard, to be scrolled by it.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className="mt-3 flex max-h-48 flex-col gap-3 overflow-y-auto border-t border-line pt-3" tabIndex={0} role="group" aria-label={t("missingRanges")}>
      {epochs.map((one) => (
        <div key={one.epoch} className="figures text-sm">
          <p className="text-xs text-ink-faint">{t("numbering", { epoch: one.epoch, highest: format.number(one.highest) })}</p>
          {one.missing > 0 && (
            <p>
              <span className="text-ink-soft">{t("missingRanges")}:</span> {written(one.missing_ranges)}
            </p>
          )}
          {one.lost > 0 && (
            <p>
              <span className="text-ink-soft">{t("lostRanges")}:</span> {written(one.lost_ranges)}
            </p>
          )}
        </div>
      ))}
    </div>
  );
}
