/** What the address of the dashboard says: which one. */
export interface DashboardSearch {
  readonly dashboard?: string;
}

export function readSearch(search: Record<string, unknown>): DashboardSearch {
  const { dashboard } = search;
  return typeof dashboard === "string" ? { dashboard } : {};
}
