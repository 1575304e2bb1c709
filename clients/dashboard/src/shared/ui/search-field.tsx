import { Search } from "lucide-react";
import { useText } from "../i18n/messages";
import { Input } from "./field";
import { uiTexts } from "./texts";

/** The screen's search; `/` brings the focus here from anywhere. */
export function SearchField({ value, onChange, label }: { value: string; onChange: (text: string) => void; label?: string }) {
  const t = useText(uiTexts);
  return (
    <div className="relative w-64 max-w-full">
      <Search className="pointer-events-none absolute top-1/2 left-2.5 size-4 -translate-y-1/2 text-ink-faint" aria-hidden />
      <Input
        type="search"
        data-screen-search
        aria-label={label ?? t("search")}
        placeholder={label ?? t("search")}
        value={value}
        onChange={(event) => {
          onChange(event.target.value);
        }}
        className="pl-8"
      />
    </div>
  );
}
