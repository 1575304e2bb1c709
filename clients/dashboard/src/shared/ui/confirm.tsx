import type { ReactNode } from "react";
import type { Permission } from "../session/permission";
import { useText } from "../i18n/messages";
import { ActionButton, Button } from "./button";
import { Dialog } from "./dialog";
import { uiTexts } from "./texts";

/** Ask before something is done that cannot be taken back. */
export function Confirm({ title, children, action, permission, isBusy = false, onConfirm, onClose }: {
  title: string;
  children: ReactNode;
  /** What the button that does it says. */
  action: string;
  permission?: Permission;
  isBusy?: boolean;
  onConfirm: () => void;
  onClose: () => void;
}) {
  const t = useText(uiTexts);
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={title}
      actions={
        <>
          <Button onClick={onClose}>{t("cancel")}</Button>
          <ActionButton tone="danger" isBusy={isBusy} onClick={onConfirm} {...(permission === undefined ? {} : { permission })}>
            {action}
          </ActionButton>
        </>
      }
    >
      <div className="text-sm text-ink-soft">{children}</div>
    </Dialog>
  );
}
