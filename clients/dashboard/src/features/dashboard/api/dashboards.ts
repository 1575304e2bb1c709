import { api, query, queryClient } from "@/shared/api/client";
import type { DashboardAnswer, DashboardBody, ShownDashboard } from "../model/document";

const LIST = ["get", "/api/dashboards"] as const;
const ONE = ["get", "/api/dashboards/{dashboard_id}"] as const;

/** One's own dashboards by name. */
export function useDashboards() {
  return query.useQuery("get", "/api/dashboards");
}

/** One dashboard; not asked for while there is no id. */
export function useDashboard(id: string | undefined) {
  return query.useQuery(
    "get",
    "/api/dashboards/{dashboard_id}",
    { params: { path: { dashboard_id: id ?? "" } } },
    { enabled: id !== undefined },
  );
}

async function readAgain(): Promise<void> {
  await queryClient.invalidateQueries({ queryKey: LIST });
  await queryClient.invalidateQueries({ queryKey: [...ONE] });
}

/** Keep a dashboard: a new one if it has no id. Rejects with ApiProblem, 412 when it was changed elsewhere meanwhile. */
export async function saveDashboard(shown: ShownDashboard): Promise<DashboardAnswer> {
  const body: DashboardBody = {
    name: shown.name,
    widgets: [...shown.widgets],
    layouts: shown.layouts,
    ...(shown.isDefault ? { is_default: true } : {}),
  };
  const { data } =
    shown.id === undefined
      ? await api.POST("/api/dashboards", { body })
      : await api.PUT("/api/dashboards/{dashboard_id}", {
          params: { path: { dashboard_id: shown.id }, header: { "If-Match": `"${String(shown.version)}"` } },
          body,
        });
  if (data === undefined) throw new Error("the dashboard was kept without an answer");
  // It is known already: nothing goes blank while it is read again.
  queryClient.setQueryData([...ONE, { params: { path: { dashboard_id: data.id } } }], data);
  await readAgain();
  return data;
}

/** Delete a dashboard. Rejects with ApiProblem. */
export async function deleteDashboard(id: string, version: number): Promise<void> {
  await api.DELETE("/api/dashboards/{dashboard_id}", {
    params: { path: { dashboard_id: id }, header: { "If-Match": `"${String(version)}"` } },
  });
  await readAgain();
}
