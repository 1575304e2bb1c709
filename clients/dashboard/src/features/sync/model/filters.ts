/** What the address of the page says. */
export interface SyncFilters {
  readonly tab?: "conflicts" | "log";
  readonly desktop?: string;
  readonly entity?: Entity;
  readonly state?: "resolved";
  readonly status?: Status;
  readonly page?: number;
}

export const ENTITIES = ["users", "roles", "permissions", "config"] as const;
export type Entity = (typeof ENTITIES)[number];
export const STATUSES = ["applied", "conflict_lost", "rejected", "refused", "failed"] as const;
export type Status = (typeof STATUSES)[number];

function oneOf<T extends string>(known: readonly T[], value: unknown): T | undefined {
  return known.find((one) => one === value);
}

/** Take the filters out of an address; what makes no sense is left out. */
export function readFilters(search: Record<string, unknown>): SyncFilters {
  const tab = oneOf(["conflicts", "log"] as const, search["tab"]);
  const entity = oneOf(ENTITIES, search["entity"]);
  const status = oneOf(STATUSES, search["status"]);
  const { desktop, page } = search;
  return {
    ...(tab !== undefined && { tab }),
    ...(typeof desktop === "string" && desktop !== "" && { desktop }),
    ...(entity !== undefined && { entity }),
    ...(search["state"] === "resolved" && { state: "resolved" as const }),
    ...(status !== undefined && { status }),
    ...(typeof page === "number" && Number.isInteger(page) && page > 1 && { page }),
  };
}
