import type { components } from "@/shared/api/generated/identity";

type UserSort = components["schemas"]["UserSort"];
const SORTS: readonly UserSort[] = [
  "username", "-username", "email", "-email", "created_at", "-created_at", "updated_at", "-updated_at",
];

/** What the address of the page says. */
export interface UserFilters {
  readonly tab?: "roles";
  readonly q?: string;
  readonly role?: string;
  readonly is_active?: boolean;
  readonly sort?: UserSort;
  readonly page?: number;
}

/** Take the filters out of an address; what makes no sense is left out. */
export function readFilters(search: Record<string, unknown>): UserFilters {
  const { q, role, is_active: isActive, page } = search;
  const sort = SORTS.find((one) => one === search["sort"]);
  return {
    ...(search["tab"] === "roles" && { tab: "roles" as const }),
    ...(typeof q === "string" && q.trim() !== "" && { q: q.trim() }),
    ...(typeof role === "string" && role !== "" && { role }),
    ...(typeof isActive === "boolean" && { is_active: isActive }),
    ...(sort !== undefined && { sort }),
    ...(typeof page === "number" && Number.isInteger(page) && page > 1 && { page }),
  };
}

/** A column's name and direction, as the table has them, of a sort as the service has it. */
export function sortState(sort: UserSort | undefined): { id: string; desc: boolean }[] {
  const text = sort ?? "username";
  return [{ id: text.replace("-", ""), desc: text.startsWith("-") }];
}

/** The other way round; a column that the service cannot sort by leaves the order as it is. */
export function sortName(state: readonly { id: string; desc: boolean }[]): UserSort | undefined {
  const [first] = state;
  return first === undefined ? undefined : SORTS.find((one) => one === `${first.desc ? "-" : ""}${first.id}`);
}
