import { useText } from "../i18n/messages";
import { Button } from "./button";
import { uiTexts } from "./texts";

/** The page before and the page after, for a list that a service gives by page; nothing where there is but one page. */
export function Pages({ page, limit, total, onChange }: {
  page: number;
  limit: number;
  total: number;
  onChange: (page: number) => void;
}) {
  const t = useText(uiTexts);
  const pages = Math.ceil(total / limit);
  if (pages <= 1) return null;
  return (
    <span className="flex items-center gap-2">
      <Button disabled={page <= 1} onClick={() => { onChange(page - 1); }}>
        {t("previousPage")}
      </Button>
      {t("pageOf", { page, pages })}
      <Button disabled={page >= pages} onClick={() => { onChange(page + 1); }}>
        {t("nextPage")}
      </Button>
    </span>
  );
}
