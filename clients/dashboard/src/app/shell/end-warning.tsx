import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { refresh } from "@/shared/session/session";
import { Button } from "@/shared/ui/button";
import { Dialog } from "@/shared/ui/dialog";
import { useProblemText } from "@/shared/ui/states";
import { notify } from "@/shared/ui/toast";
import { appTexts } from "../texts";
import { useSessionEnd } from "./use-session-end";

/** The session is about to end; one press keeps it. */
export function EndWarning() {
  const t = useText(appTexts);
  const format = useFormat();
  const problemText = useProblemText();
  const left = useSessionEnd() ?? 0;
  const stay = (): void => {
    refresh().catch((error: unknown) => {
      notify("bad", problemText(error));
    });
  };
  const button = (
    <Button tone="primary" onClick={stay}>
      {t("stay")}
    </Button>
  );
  return (
    <Dialog isOpen onClose={stay} title={t("expiringTitle")} actions={button}>
      <p className="figures">{t("expiring", { time: format.duration(left) })}</p>
    </Dialog>
  );
}
