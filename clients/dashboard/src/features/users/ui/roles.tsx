import { Check, Minus, Pencil, Plus } from "lucide-react";
import { Fragment, Suspense, lazy, useState } from "react";
import { query } from "@/shared/api/client";
import type { components } from "@/shared/api/generated/identity";
import { useText } from "@/shared/i18n/messages";
import { ActionButton, IconButton } from "@/shared/ui/button";
import { Panel } from "@/shared/ui/panel";
import { Await } from "@/shared/ui/states";
import { ASK_AGAIN_MS } from "../model/refresh";
import { byThing } from "../model/rights";
import { userTexts } from "../texts";

type Role = components["schemas"]["RoleAnswer"];
type Right = components["schemas"]["PermissionAnswer"];
const LISTED = 200;
/** Loaded when somebody opens a role. */
const RoleEditor = lazy(async () => ({ default: (await import("./role-editor")).RoleEditor }));

/** Every role against every right. */
export function Roles() {
  const t = useText(userTexts);
  const [edited, setEdited] = useState<Role | "new" | undefined>();
  const roles = query.useQuery("get", "/api/roles", { params: { query: { limit: LISTED } } }, { refetchInterval: ASK_AGAIN_MS });
  const rights = query.useQuery("get", "/api/permissions");
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center gap-3">
        <p className="grow text-sm text-ink-soft">{t("matrixHint")}</p>
        <ActionButton permission="roles:write" tone="primary" icon={<Plus className="size-4" aria-hidden />} onClick={() => { setEdited("new"); }}>
          {t("newRole")}
        </ActionButton>
      </div>
      <Await asked={rights}>
        {(all) => (
          <Await asked={roles}>
            {(data) => (
              <>
                <Matrix roles={data.items} rights={all.items} onEdit={setEdited} />
                {edited !== undefined && (
                  <Suspense>
                    <RoleEditor
                      role={edited === "new" ? undefined : edited}
                      roles={data.items}
                      rights={all.items}
                      onClose={() => { setEdited(undefined); }}
                    />
                  </Suspense>
                )}
              </>
            )}
          </Await>
        )}
      </Await>
    </div>
  );
}

function Matrix({ roles, rights, onEdit }: { roles: readonly Role[]; rights: readonly Right[]; onEdit: (role: Role) => void }) {
  const t = useText(userTexts);
  return (
    <Panel isFlush>
      <div role="region" aria-label={t("permissions")} tabIndex={0} className="relative max-h-[calc(100dvh-16rem)] overflow-auto">
        <table className="w-full border-separate border-spacing-0 text-left text-sm">
          <thead>
            <tr>
              <th scope="col" className="sticky top-0 left-0 z-20 min-w-48 border-b border-line bg-sunken px-3 py-2 text-xs font-medium text-ink-soft">
                {t("right")}
              </th>
              {roles.map((role) => (
                <th key={role.id} scope="col" className="sticky top-0 z-10 border-b border-line bg-sunken px-3 py-2 text-center align-bottom font-medium">
                  <span className="block whitespace-nowrap" title={role.description}>{role.name}</span>
                  {role.is_built_in ? (
                    <span className="text-xs font-normal text-ink-soft">{t("builtIn")}</span>
                  ) : (
                    <IconButton
                      label={t("edit", { name: role.name })}
                      icon={<Pencil className="size-4" aria-hidden />}
                      onClick={() => { onEdit(role); }}
                    />
                  )}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {byThing(rights).map(({ thing, rights: of }) => (
              <Fragment key={thing}>
                {of.map((right, index) => (
                  <tr key={right.name} className="hover:bg-sunken/60">
                    <th scope="row" className="sticky left-0 border-b border-line/70 bg-surface px-3 py-1.5 font-normal" title={right.description}>
                      <span className={index === 0 ? "font-medium" : "text-ink-soft"}>{right.name}</span>
                      <span className="block text-xs text-ink-faint">{right.description}</span>
                    </th>
                    {roles.map((role) => (
                      <td key={role.id} className="border-b border-line/70 px-3 py-1.5 text-center">
                        <Mark role={role.name} right={right.name} has={role.permissions.includes(right.name)} />
                      </td>
                    ))}
                  </tr>
                ))}
              </Fragment>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

function Mark({ role, right, has }: { role: string; right: string; has: boolean }) {
  const t = useText(userTexts);
  return (
    <>
      <span className="sr-only">{t(has ? "hasRight" : "lacksRight", { role, right })}</span>
      {has ? <Check aria-hidden className="mx-auto size-4 text-ok" /> : <Minus aria-hidden className="mx-auto size-4 text-ink-faint" />}
    </>
  );
}
