import { useMetrics } from "@/shared/streams/hooks";
import { LiveValue } from "@/shared/ui/live-value";

/** The first metric of a device, by name, with its value. */
export function NewestValue({ deviceId }: { deviceId: string }) {
  const [metric] = useMetrics(deviceId);
  if (metric === undefined) return null;
  return (
    <span className="flex min-w-0 items-baseline gap-2">
      <span className="truncate text-xs text-ink-faint">{metric}</span>
      <LiveValue deviceId={deviceId} metric={metric} />
    </span>
  );
}
