import { useMemo, useState } from "react";
import { Chart } from "@/shared/charts/chart";
import type { Line } from "@/shared/charts/chart";
import { useSeries } from "@/shared/charts/use-series";
import { useText } from "@/shared/i18n/messages";
import { Select } from "@/shared/ui/field";
import { Panel } from "@/shared/ui/panel";
import { deviceTexts } from "../texts";

const MINUTE = 60_000;
const WINDOWS = [1, 5, 15, 60, 360, 1440] as const;

/** One metric of a device over time, live. */
export function Curve({ deviceId, metrics }: { deviceId: string; metrics: readonly string[] }) {
  const t = useText(deviceTexts);
  const [minutes, setMinutes] = useState<number>(5);
  const [chosen, setChosen] = useState<string | undefined>();
  const metric = chosen ?? metrics[0];
  // A metric that comes later may stand before it, and takes nobody's chart away.
  if (chosen === undefined && metric !== undefined) setChosen(metric);
  const sources = useMemo(() => (metric === undefined ? [] : [{ deviceId, metric }]), [deviceId, metric]);
  const series = useSeries(sources, minutes * MINUTE);
  const lines = useMemo(
    (): Line[] => series.map((one, index) => ({ name: sources[index]?.metric ?? "", series: one, color: index })),
    [series, sources],
  );
  if (metric === undefined) return null;
  return (
    <Panel
      title={t("chart")}
      actions={
        <>
          <Select aria-label={t("chart")} value={metric} onChange={(event) => { setChosen(event.target.value); }} isInline>
            {metrics.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </Select>
          <Select aria-label={t("window")} value={minutes} onChange={(event) => { setMinutes(Number(event.target.value)); }} isInline>
            {WINDOWS.map((count) => (
              <option key={count} value={count}>
                {t("minutes", { count })}
              </option>
            ))}
          </Select>
        </>
      }
    >
      <div className="h-72">
        <Chart lines={lines} window={minutes * MINUTE} label={metric} style="area" />
      </div>
    </Panel>
  );
}
