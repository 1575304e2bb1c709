import { useText } from "@/shared/i18n/messages";
import { Dialog } from "@/shared/ui/dialog";
import { appTexts } from "../texts";
import { PALETTE_KEYS } from "./use-shell-keys";

const KEYS = [
  [PALETTE_KEYS, "helpPalette"],
  ["/", "helpSearch"],
  ["keySpace", "helpPause"],
  ["w", "helpWall"],
  ["?", "helpHelp"],
] as const;

export function Help({ onClose }: { onClose: () => void }) {
  const t = useText(appTexts);
  return (
    <Dialog isOpen onClose={onClose} title={t("helpTitle")}>
      <dl className="grid grid-cols-[auto_1fr] items-center gap-x-5 gap-y-3 text-sm">
        {KEYS.map(([key, text]) => (
          <div key={key} className="contents">
            <dt>
              <kbd className="inline-flex h-7 min-w-7 items-center justify-center rounded-md border border-line-strong bg-sunken px-2 font-sans text-xs font-medium">
                {key === "keySpace" ? t("keySpace") : key}
              </kbd>
            </dt>
            <dd>{t(text)}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
