import { getRouteApi } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useText } from "@/shared/i18n/messages";
import { usePermission } from "@/shared/session/session";
import { PageHeader } from "@/shared/ui/panel";
import { Tabs } from "@/shared/ui/tabs";
import { readFilters } from "../model/filters";
import { userTexts } from "../texts";
import { Roles } from "./roles";
import { Users } from "./users";

const route = getRouteApi("/users");

/** Who may come in, and what they may do. */
export function Screen(): ReactNode {
  const t = useText(userTexts);
  const filters = route.useSearch();
  const navigate = route.useNavigate();
  const seesRoles = usePermission("roles:read");
  return (
    <>
      <PageHeader title={t("title")} />
      <Tabs
        label={t("title")}
        value={seesRoles ? (filters.tab ?? "users") : "users"}
        onChange={(tab) => void navigate({ to: "/users", search: readFilters({ tab }) })}
        tabs={[
          { id: "users", label: t("users"), content: <Users filters={filters} /> },
          ...(seesRoles ? [{ id: "roles", label: t("roles"), content: <Roles /> }] : []),
        ]}
      />
    </>
  );
}
