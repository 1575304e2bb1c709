import { useNavigate } from "@tanstack/react-router";
import { useId, useState } from "react";
import { useText } from "@/shared/i18n/messages";
import { ActionButton, Button } from "@/shared/ui/button";
import { Dialog } from "@/shared/ui/dialog";
import { Field, Input } from "@/shared/ui/field";
import { useProblemText } from "@/shared/ui/states";
import { uiTexts } from "@/shared/ui/texts";
import { notify } from "@/shared/ui/toast";
import { deleteDashboard } from "../api/dashboards";
import type { ShownDashboard } from "../model/document";
import { dashboardTexts } from "../texts";

const LONGEST = 64;

/** Ask for a name. */
export function NameDialog({ title, action, name, onName, onClose }: {
  title: string;
  action: string;
  name: string;
  onName: (name: string) => void;
  onClose: () => void;
}) {
  const t = useText(dashboardTexts);
  const ui = useText(uiTexts);
  const form = useId();
  const [text, setText] = useState(name);
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={title}
      actions={
        <>
          <Button onClick={onClose}>{ui("cancel")}</Button>
          <ActionButton tone="primary" type="submit" form={form} disabled={text.trim() === ""}>
            {action}
          </ActionButton>
        </>
      }
    >
      <form
        id={form}
        onSubmit={(event) => {
          event.preventDefault();
          if (text.trim() !== "") onName(text.trim());
        }}
      >
        <Field label={t("name")}>
          {(control) => <Input {...control} maxLength={LONGEST} value={text} onChange={(event) => { setText(event.target.value); }} />}
        </Field>
      </form>
    </Dialog>
  );
}

/** Ask before a dashboard goes. */
export function RemoveDialog({ dashboard, onClose }: { dashboard: ShownDashboard; onClose: () => void }) {
  const t = useText(dashboardTexts);
  const ui = useText(uiTexts);
  const problemText = useProblemText();
  const navigate = useNavigate();
  const remove = (): void => {
    deleteDashboard(dashboard.id ?? "", dashboard.version).then(
      () => {
        onClose();
        void navigate({ to: "/", search: {} });
      },
      (error: unknown) => {
        notify("bad", problemText(error));
      },
    );
  };
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={t("removeTitle", { name: dashboard.name })}
      actions={
        <>
          <Button onClick={onClose}>{ui("cancel")}</Button>
          <ActionButton tone="danger" onClick={remove}>
            {t("remove")}
          </ActionButton>
        </>
      }
    >
      <p>{t("removeText")}</p>
    </Dialog>
  );
}
