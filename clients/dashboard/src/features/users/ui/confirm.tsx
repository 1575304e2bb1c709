import type { ReactNode } from "react";
import { useText } from "@/shared/i18n/messages";
import type { Permission } from "@/shared/session/permission";
import { ActionButton, Button } from "@/shared/ui/button";
import { Dialog } from "@/shared/ui/dialog";
import { userTexts } from "../texts";

/** Asks once more before something is gone for good. */
export function ConfirmRemoval({ name, text, permission, isBusy, onConfirm, onClose, children }: {
  name: string;
  text: string;
  permission: Permission;
  isBusy: boolean;
  onConfirm: () => void;
  onClose: () => void;
  children?: ReactNode;
}) {
  const t = useText(userTexts);
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={t("removeTitle", { name })}
      description={text}
      actions={
        <>
          <Button onClick={onClose}>{t("cancel")}</Button>
          <ActionButton permission={permission} tone="danger" isBusy={isBusy} onClick={onConfirm}>
            {t("remove")}
          </ActionButton>
        </>
      }
    >
      {children}
    </Dialog>
  );
}
