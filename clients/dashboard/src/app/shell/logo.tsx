import { useText } from "@/shared/i18n/messages";
import { appTexts } from "../texts";

/** The mark: a pulse that ends in a point that is alive. */
export function Logo({ isSmall = false }: { isSmall?: boolean }) {
  const t = useText(appTexts);
  return (
    <span className="flex h-8 shrink-0 items-center gap-2 px-2 text-base font-semibold tracking-tight">
      <svg viewBox="0 0 48 32" className="h-5 w-7" aria-hidden fill="none" strokeWidth="4" strokeLinecap="round" strokeLinejoin="round">
        <path d="M2 18h9l4-12 7 22 6-16 4 6h6" className="stroke-accent" />
        <circle cx="43" cy="18" r="3.5" className="fill-ok" />
      </svg>
      <span className={isSmall ? "sr-only" : ""}>{t("product")}</span>
    </span>
  );
}
