import { keepPreviousData } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { UserPlus } from "lucide-react";
import { Suspense, lazy, useEffect, useMemo, useState } from "react";
import type { ReactNode } from "react";
import { query } from "@/shared/api/client";
import type { components } from "@/shared/api/generated/identity";
import { useFormat } from "@/shared/i18n/format";
import { useText } from "@/shared/i18n/messages";
import { usePermission, useUser } from "@/shared/session/session";
import { ActionButton } from "@/shared/ui/button";
import { Select } from "@/shared/ui/field";
import { Pages } from "@/shared/ui/pages";
import { Panel } from "@/shared/ui/panel";
import { SearchField } from "@/shared/ui/search-field";
import { Await, EmptyState } from "@/shared/ui/states";
import { Badge, Status } from "@/shared/ui/status";
import { Table } from "@/shared/ui/table";
import type { Column } from "@/shared/ui/table";
import { readFilters, sortName, sortState } from "../model/filters";
import type { UserFilters } from "../model/filters";
import { ASK_AGAIN_MS } from "../model/refresh";
import { userTexts } from "../texts";

type User = components["schemas"]["UserAnswer"];
const route = getRouteApi("/users");
/** Loaded when somebody opens an account. */
const UserEditor = lazy(async () => ({ default: (await import("./user-editor")).UserEditor }));
const PAGE = 50;
/** What is typed is asked for when the typing rests. */
const TYPING_MS = 300;
/** More roles than a select can show nobody has. */
const ROLES_LISTED = 200;

/** The people, page by page, sorted and searched by the service. */
export function Users({ filters }: { filters: UserFilters }) {
  const t = useText(userTexts);
  const navigate = route.useNavigate();
  const [edited, setEdited] = useState<User | "new" | undefined>();
  const { page = 1, q, role, is_active: isActive, sort } = filters;
  const users = query.useQuery(
    "get",
    "/api/users",
    {
      params: {
        query: {
          page,
          limit: PAGE,
          ...(q !== undefined && { q }),
          ...(role !== undefined && { role }),
          ...(isActive !== undefined && { is_active: isActive }),
          ...(sort !== undefined && { sort }),
        },
      },
    },
    { placeholderData: keepPreviousData, refetchInterval: ASK_AGAIN_MS },
  );
  const choose = (change: Record<string, unknown>): void => {
    void navigate({ to: "/users", search: readFilters({ ...filters, page: undefined, ...change }), replace: true });
  };
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center gap-2">
        <Search filters={filters} onChange={(text) => { choose({ q: text }); }} />
        <RoleChoice value={filters.role} onChange={(name) => { choose({ role: name }); }} />
        <Select
          aria-label={t("state")}
          isInline
          value={filters.is_active === undefined ? "" : String(filters.is_active)}
          onChange={(event) => {
            choose({ is_active: event.target.value === "" ? undefined : event.target.value === "true" });
          }}
        >
          <option value="">{t("anyState")}</option>
          <option value="true">{t("active")}</option>
          <option value="false">{t("inactive")}</option>
        </Select>
        <span className="grow" />
        <ActionButton permission="users:write" tone="primary" icon={<UserPlus className="size-4" aria-hidden />} onClick={() => { setEdited("new"); }}>
          {t("newUser")}
        </ActionButton>
      </div>
      <Await asked={users}>
        {(data) => (
          <List
            users={data.items}
            filters={filters}
            onSort={(next) => { choose({ sort: next }); }}
            onOpen={setEdited}
            footer={<Pages page={page} limit={PAGE} total={data.total} onChange={(next) => { choose({ page: next }); }} />}
          />
        )}
      </Await>
      {edited !== undefined && (
        <Suspense>
          <UserEditor
            user={edited === "new" ? undefined : edited}
            onClose={() => {
              setEdited(undefined);
            }}
          />
        </Suspense>
      )}
    </div>
  );
}

function Search({ filters, onChange }: { filters: UserFilters; onChange: (q: string) => void }) {
  const t = useText(userTexts);
  const [typed, setTyped] = useState<string | undefined>();
  useEffect(() => {
    if (typed === undefined) return;
    const timer = setTimeout(() => {
      onChange(typed);
      setTyped(undefined);
    }, TYPING_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [typed, onChange]);
  return <SearchField label={t("search")} value={typed ?? filters.q ?? ""} onChange={setTyped} />;
}

function RoleChoice({ value, onChange }: { value: string | undefined; onChange: (role: string) => void }) {
  const t = useText(userTexts);
  const seesRoles = usePermission("roles:read");
  const roles = query.useQuery("get", "/api/roles", { params: { query: { limit: ROLES_LISTED } } }, { enabled: seesRoles });
  if (!seesRoles) return null;
  return (
    <Select aria-label={t("rolesOf")} isInline className="max-w-56" value={value ?? ""} onChange={(event) => { onChange(event.target.value); }}>
      <option value="">{t("anyRole")}</option>
      {roles.data?.items.map((role) => (
        <option key={role.id}>{role.name}</option>
      ))}
    </Select>
  );
}

function List({ users, filters, onSort, onOpen, footer }: {
  users: readonly User[];
  filters: UserFilters;
  onSort: (sort: string | undefined) => void;
  onOpen: (user: User) => void;
  footer: ReactNode;
}) {
  const t = useText(userTexts);
  const format = useFormat();
  const self = useUser()?.id;
  const columns = useMemo((): Column<User>[] => [
    {
      id: "username",
      header: t("name"),
      accessorKey: "username",
      meta: { width: "1.5" },
      cell: ({ row: { original } }) => (
        <span className="flex min-w-0 items-center gap-2">
          <span className="truncate font-medium">{original.username}</span>
          {original.id === self && <Badge tone="info">{t("you")}</Badge>}
        </span>
      ),
    },
    {
      id: "email",
      header: t("email"),
      accessorKey: "email",
      meta: { width: "1.5", from: 60 },
      cell: ({ row: { original } }) => <span className="truncate text-ink-soft">{original.email ?? "—"}</span>,
    },
    {
      id: "roles",
      header: t("rolesOf"),
      enableSorting: false,
      meta: { width: "1.5", from: 30 },
      cell: ({ row: { original } }) => <span className="truncate">{original.roles.join(", ") || "—"}</span>,
    },
    {
      id: "state",
      header: t("state"),
      enableSorting: false,
      meta: { width: "7.5rem" },
      cell: ({ row: { original } }) => (
        <Status tone={original.is_active ? "ok" : "mute"}>{t(original.is_active ? "active" : "inactive")}</Status>
      ),
    },
    {
      id: "updated_at",
      header: t("changed"),
      accessorKey: "updated_at",
      meta: { width: "9rem", isNumber: true, from: 75 },
      cell: ({ row: { original } }) => <span className="text-ink-soft">{format.date(Date.parse(original.updated_at))}</span>,
    },
  ], [t, format, self]);
  return (
    <Panel isFlush>
      <Table
        rows={users}
        columns={columns}
        rowId={(user) => user.id}
        label={t("users")}
        sort={{ state: sortState(filters.sort), onChange: (state) => { onSort(sortName(state)); } }}
        onOpen={onOpen}
        empty={<EmptyState title={t("none")} />}
        footer={footer}
        height="max(20rem, calc(100dvh - 20rem))"
      />
    </Panel>
  );
}
