import { Plus } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { useText } from "@/shared/i18n/messages";
import { ActionButton } from "@/shared/ui/button";
import { deviceTexts } from "../texts";

const Dialog = lazy(() => import("./add-device-dialog").then((module) => ({ default: module.AddDeviceDialog })));

/** The way to a new device; its form comes when it is wanted. */
export function AddDevice() {
  const t = useText(deviceTexts);
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <ActionButton tone="primary" permission="devices:write" icon={<Plus className="size-4" aria-hidden />} onClick={() => { setOpen(true); }}>
        {t("add")}
      </ActionButton>
      {isOpen && (
        <Suspense fallback={null}>
          <Dialog onClose={() => { setOpen(false); }} />
        </Suspense>
      )}
    </>
  );
}
