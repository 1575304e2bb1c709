import { useText } from "@/shared/i18n/messages";
import { Status } from "@/shared/ui/status";
import { toneOf } from "../model/command-states";
import type { CommandItem, CommandState } from "../model/command-states";
import { commandTexts } from "../texts";

/** A command's state in shape and word, with the progress that the device told. */
export function State({ state, progress, name }: { state: CommandState; progress: number | null; name: CommandItem["name"] }) {
  const t = useText(commandTexts);
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
