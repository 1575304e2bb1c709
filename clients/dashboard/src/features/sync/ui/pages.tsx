import { useText } from "@/shared/i18n/messages";
import { Button } from "@/shared/ui/button";
import { syncTexts } from "../texts";

/** Newer and older, for lists that the service gives page by page. */
export function Pages({ page, limit, total, onChange }: {
  page: number;
  limit: number;
  total: number;
  onChange: (page: number) => void;
}) {
  const t = useText(syncTexts);
  const pages = Math.max(1, Math.ceil(total / limit));
  if (pages === 1) return null;
  return (
    <span className="flex items-center gap-2">
      <Button disabled={page <= 1} onClick={() => { onChange(page - 1); }}>
        {t("previous")}
      </Button>
      {t("pageOf", { page, pages })}
      <Button disabled={page >= pages} onClick={() => { onChange(page + 1); }}>
        {t("next")}
      </Button>
    </span>
  );
}
