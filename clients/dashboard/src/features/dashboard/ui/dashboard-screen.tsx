import { useText } from "@/shared/i18n/messages";
import { PageHeader } from "@/shared/ui/panel";
import { dashboardTexts } from "../texts";
import { KeyFigures } from "./key-figures";

/** What matters, at a glance. */
export function Screen() {
  const t = useText(dashboardTexts);
  return (
    <>
      <PageHeader title={t("title")} />
      <KeyFigures />
    </>
  );
}
