import { useText } from "@/shared/i18n/messages";
import { Dialog } from "@/shared/ui/dialog";
import { appTexts } from "../texts";
import { NavigationList } from "./navigation-list";

/** The navigation where there is no room for it beside the screen. */
export function Drawer({ onClose }: { onClose: () => void }) {
  const t = useText(appTexts);
  return (
    <Dialog isOpen onClose={onClose} title={t("product")} width="side">
      <NavigationList onGo={onClose} />
    </Dialog>
  );
}
