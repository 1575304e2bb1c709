import { getRouteApi } from "@tanstack/react-router";
import { Send } from "lucide-react";
import { Suspense, lazy, useState } from "react";
import type { ReactNode } from "react";
import { useText } from "@/shared/i18n/messages";
import { ActionButton } from "@/shared/ui/button";
import { PageHeader } from "@/shared/ui/panel";
import { Tabs } from "@/shared/ui/tabs";
import { readFilters } from "../model/filters";
import { commandTexts } from "../texts";
import { CommandDetail } from "./command-detail";
import { CommandList } from "./command-list";
import { Refusals } from "./refusals";

const route = getRouteApi("/commands");
/** Loaded when somebody sends: most only look. */
const SendCommand = lazy(async () => ({ default: (await import("./send-command")).SendCommand }));

/** What was sent to devices and what became of it, live; and the way to send more. */
export function Screen(): ReactNode {
  const t = useText(commandTexts);
  const filters = route.useSearch();
  const navigate = route.useNavigate();
  const [isSending, setSending] = useState(false);
  return (
    <>
      <PageHeader
        title={t("title")}
        description={t("description")}
        actions={
          <ActionButton
            permission="commands:send"
            tone="primary"
            icon={<Send className="size-4" aria-hidden />}
            onClick={() => {
              setSending(true);
            }}
          >
            {t("send")}
          </ActionButton>
        }
      />
      <Tabs
        label={t("title")}
        value={filters.tab ?? "commands"}
        onChange={(tab) => void navigate({ to: "/commands", search: tab === "refusals" ? { tab } : {} })}
        tabs={[
          { id: "commands", label: t("tabCommands"), content: <CommandList filters={filters} /> },
          { id: "refusals", label: t("tabRefusals"), content: <Refusals /> },
        ]}
      />
      {filters.open !== undefined && (
        <CommandDetail
          commandId={filters.open}
          onClose={() => void navigate({ to: "/commands", search: (before) => readFilters({ ...before, open: undefined }) })}
        />
      )}
      {isSending && (
        <Suspense>
          <SendCommand
            {...(filters.device === undefined ? {} : { deviceId: filters.device })}
            onClose={() => {
              setSending(false);
            }}
            onShow={(batch) => {
              setSending(false);
              void navigate({ to: "/commands", search: { batch } });
            }}
          />
        </Suspense>
      )}
    </>
  );
}
