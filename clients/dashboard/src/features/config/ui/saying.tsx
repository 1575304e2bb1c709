import { query } from "@/shared/api/client";
import { useText } from "@/shared/i18n/messages";
import { usePermission, useUser } from "@/shared/session/session";
import { useStates } from "@/shared/streams/hooks";
import { cx } from "@/shared/ui/classes";
import { typedText } from "@/shared/values/value-spec";
import type { Scope } from "../model/filters";
import { configTexts } from "../texts";

const LISTED = 200;
const ID_SHOWN = 8;

/** A value as it is stored; a list in one line. */
export function shownValue(value: unknown): string {
  return typedText(value).replaceAll("\n", ", ");
}

export function Value({ value, unit, className }: { value: unknown; unit?: string | null | undefined; className?: string }) {
  const t = useText(configTexts);
  const text = shownValue(value);
  if (text === "") return <span className="text-ink-faint">{t("nothing")}</span>;
  return (
    <span className={cx("figures font-mono text-[0.95em]", className)}>
      {text}
      {unit != null && <span className="ml-1 font-sans text-xs text-ink-faint">{unit}</span>}
    </span>
  );
}

/** Who somebody is: by name for whoever may see people, else by the beginning of the id. */
export function usePersonName(): (id: string | null, source: "web" | "desktop") => string {
  const t = useText(configTexts);
  const self = useUser();
  const mayRead = usePermission("users:read");
  const people = query.useQuery("get", "/api/users", { params: { query: { limit: LISTED } } }, { enabled: mayRead });
  return (id, source) => {
    const known = self !== undefined && id === self.id ? self.username : people.data?.items.find((person) => person.id === id)?.username;
    const name = known ?? id?.slice(0, ID_SHOWN) ?? "—";
    return source === "desktop" ? t("byDesktop", { name }) : name;
  };
}

/** For whom an entry holds, in words. */
export function useScopeText(): (scope: Scope, target: string) => string {
  const t = useText(configTexts);
  const devices = useStates("devices");
  return (scope, target) => {
    if (scope === "all") return t("everyone");
    return scope === "group" ? t("groupOf", { name: target }) : t("deviceOf", { name: devices.get(target)?.name ?? target });
  };
}
