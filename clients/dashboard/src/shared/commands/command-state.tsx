import { useText } from "../i18n/messages";
import { Status } from "../ui/status";
import { toneOf } from "./states";
import type { CommandState } from "./states";
import { commandStateTexts } from "./texts";

/** A command's state in shape and word, with the progress that the device told. */
export function State({ state, progress, name }: { state: CommandState; progress: number | null; name: string }) {
  const t = useText(commandStateTexts);
  const isRunning = state === "started" && progress !== null;
  return (
    <span className="flex min-w-0 items-center gap-2">
      <Status tone={toneOf(state)}>{t(state)}</Status>
      {isRunning && (
        <progress aria-label={t("progressOf", { name })} value={progress} max={1} className="h-1.5 w-14 accent-accent" />
      )}
    </span>
  );
}
