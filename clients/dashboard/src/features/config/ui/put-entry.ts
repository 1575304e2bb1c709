import { api, queryClient } from "@/shared/api/client";
import type { components } from "@/shared/api/generated/sync";
import type { Value } from "@/shared/values/value-spec";
import type { Address } from "../model/filters";

type Entry = components["schemas"]["EntryAnswer"];
export const ENTRY = "/api/config/{scope}/{target}/{key}";

/** The header that says which version one has seen. */
export function ifMatch(version: number): { "If-Match": string } {
  return { "If-Match": `"${String(version)}"` };
}

/** Ask again for everything that an entry, or a key, has to do with. */
export function bringUpToDate(): void {
  void queryClient.invalidateQueries({
    predicate: ({ queryKey: [, path] }) => typeof path === "string" && path.startsWith("/api/config"),
  });
}

/** Give an entry a value; `version` is the one that was seen, undefined where there was none. */
export async function putEntry(address: Address, value: Value, version: number | undefined): Promise<Entry> {
  const params = { path: address, ...(version !== undefined && { header: ifMatch(version) }) };
  const { data } = await api.PUT(ENTRY, { params, body: { value } }).finally(bringUpToDate);
  return data as Entry;
}
