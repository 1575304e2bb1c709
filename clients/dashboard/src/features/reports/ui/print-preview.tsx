import { useQuery } from "@tanstack/react-query";
import { Printer } from "lucide-react";
import { useRef } from "react";
import { authorisedFetch } from "@/shared/api/client";
import { problemOf } from "@/shared/api/problem";
import { useText } from "@/shared/i18n/messages";
import { Button } from "@/shared/ui/button";
import { Dialog } from "@/shared/ui/dialog";
import { Await } from "@/shared/ui/states";
import { reportTexts } from "../texts";

/** A report of a year takes its time. */
const TIMEOUT_MS = 60_000;

/**
 * The page as it will be printed. It is fetched with the session's token, which never stands in an address, and put into a
 * frame that runs no script; what is printed is the frame.
 */
export function PrintPreview({ path, onClose }: { path: string; onClose: () => void }) {
  const t = useText(reportTexts);
  const frame = useRef<HTMLIFrameElement>(null);
  const page = useQuery({
    queryKey: ["report page", path],
    gcTime: 0,
    refetchOnWindowFocus: false,
    queryFn: async ({ signal }) => {
      const response = await authorisedFetch(new Request(new URL(path, window.location.origin), { signal }), TIMEOUT_MS);
      if (!response.ok) throw await problemOf(response);
      return response.text();
    },
  });
  return (
    <Dialog
      isOpen
      onClose={onClose}
      width="wide"
      title={t("printTitle")}
      actions={
        <Button
          tone="primary"
          icon={<Printer className="size-4" aria-hidden />}
          disabled={page.data === undefined}
          onClick={() => {
            frame.current?.contentWindow?.print();
          }}
        >
          {t("print")}
        </Button>
      }
    >
      <Await asked={page}>
        {(html) => (
          <iframe
            ref={frame}
            title={t("printTitle")}
            srcDoc={html}
            sandbox="allow-same-origin allow-modals"
            className="h-[65dvh] w-full rounded-md border border-line bg-white"
          />
        )}
      </Await>
    </Dialog>
  );
}
