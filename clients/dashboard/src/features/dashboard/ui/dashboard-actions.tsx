import { useNavigate } from "@tanstack/react-router";
import { Check, Ellipsis, Pencil, Plus, Star, Trash2 } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { useText } from "@/shared/i18n/messages";
import { usePreferences } from "@/shared/preferences/preferences";
import { ActionButton, Button, useBlockedReason } from "@/shared/ui/button";
import { Select } from "@/shared/ui/field";
import { useDashboards } from "../api/dashboards";
import type { ShownDashboard } from "../model/document";
import { dashboardTexts } from "../texts";

const Menu = lazy(() => import("@/shared/ui/menu").then((module) => ({ default: module.Menu })));
const NameDialog = lazy(() => import("./name-dialog").then((module) => ({ default: module.NameDialog })));
const RemoveDialog = lazy(() => import("./name-dialog").then((module) => ({ default: module.RemoveDialog })));
const ICON = "size-4 shrink-0";

/** What can be done with a dashboard as a whole. */
export function DashboardActions({ dashboard, isEditing, isBusy, onEdit, onDiscard, onSave }: {
  dashboard: ShownDashboard;
  isEditing: boolean;
  isBusy: boolean;
  onEdit: () => void;
  onDiscard: () => void;
  onSave: (dashboard: ShownDashboard) => void;
}) {
  const t = useText(dashboardTexts);
  const navigate = useNavigate();
  const items = useDashboards().data?.items ?? [];
  const isWall = usePreferences((state) => state.isWall);
  const blocked = useBlockedReason(undefined);
  const [open, setOpen] = useState<"new" | "rename" | "remove" | undefined>();
  const close = (): void => {
    setOpen(undefined);
  };
  if (isWall) return null;
  if (isEditing) {
    return (
      <>
        <Button onClick={onDiscard}>{t("discard")}</Button>
        <ActionButton tone="primary" isBusy={isBusy} icon={<Check className={ICON} aria-hidden />} onClick={() => { onSave(dashboard); }}>
          {t("done")}
        </ActionButton>
      </>
    );
  }
  const isKept = dashboard.id !== undefined;
  return (
    <>
      {items.length > 1 && (
        <Select isInline aria-label={t("choose")} value={dashboard.id} onChange={(event) => void navigate({ to: "/", search: { dashboard: event.target.value } })}>
          {items.map((item) => (
            <option key={item.id} value={item.id}>
              {item.name}
            </option>
          ))}
        </Select>
      )}
      <ActionButton icon={<Pencil className={ICON} aria-hidden />} onClick={onEdit}>
        {t("edit")}
      </ActionButton>
      <Suspense fallback={<span className="w-control" />}>
        <Menu
          trigger={<Button tone="quiet" aria-label={t("actions")} icon={<Ellipsis className={ICON} aria-hidden />} />}
          groups={[
            [{ label: t("newDashboard"), icon: <Plus className={ICON} aria-hidden />, blocked, onSelect: () => { setOpen("new"); } }],
            isKept
              ? [
                  { label: t("rename"), icon: <Pencil className={ICON} aria-hidden />, blocked, onSelect: () => { setOpen("rename"); } },
                  { label: t("makeDefault"), icon: <Star className={ICON} aria-hidden />, blocked, isChosen: dashboard.isDefault, onSelect: () => { onSave({ ...dashboard, isDefault: true }); } },
                  { label: t("remove"), icon: <Trash2 className={ICON} aria-hidden />, blocked, isDanger: true, onSelect: () => { setOpen("remove"); } },
                ]
              : [],
          ].filter((group) => group.length > 0)}
        />
      </Suspense>
      <Suspense fallback={null}>
        {open === "new" && (
          <NameDialog
            title={t("newDashboard")}
            action={t("create")}
            name=""
            onClose={close}
            onName={(name) => {
              close();
              onSave({ id: undefined, name, version: 0, isDefault: false, widgets: [], layouts: {} });
            }}
          />
        )}
        {open === "rename" && (
          <NameDialog
            title={t("rename")}
            action={t("save")}
            name={dashboard.name}
            onClose={close}
            onName={(name) => {
              close();
              onSave({ ...dashboard, name });
            }}
          />
        )}
        {open === "remove" && <RemoveDialog dashboard={dashboard} onClose={close} />}
      </Suspense>
    </>
  );
}
