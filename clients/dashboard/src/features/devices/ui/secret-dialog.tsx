import { Check, Copy } from "lucide-react";
import { useState } from "react";
import { useText } from "@/shared/i18n/messages";
import { Button } from "@/shared/ui/button";
import { Dialog } from "@/shared/ui/dialog";
import { deviceTexts } from "../texts";

/** A secret that is shown once: it is closed by saying so, and then it is nowhere in the page any more. */
export function SecretDialog({ title, hint, secret, onClose }: { title: string; hint: string; secret: string; onClose: () => void }) {
  const t = useText(deviceTexts);
  const [isCopied, setCopied] = useState(false);
  const copy = (): void => {
    // Without TLS there is no clipboard; the text can be selected all the same.
    navigator.clipboard.writeText(secret).then(
      () => {
        setCopied(true);
      },
      () => undefined,
    );
  };
  const hasClipboard = "clipboard" in navigator;
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={title}
      description={hint}
      actions={
        <>
          {hasClipboard && (
            <Button icon={isCopied ? <Check className="size-4" aria-hidden /> : <Copy className="size-4" aria-hidden />} onClick={copy}>
              {t(isCopied ? "copied" : "copy")}
            </Button>
          )}
          <Button tone="primary" onClick={onClose}>
            {t("done")}
          </Button>
        </>
      }
    >
      <code className="block rounded-md bg-sunken p-3 text-base break-all select-all">{secret}</code>
    </Dialog>
  );
}
