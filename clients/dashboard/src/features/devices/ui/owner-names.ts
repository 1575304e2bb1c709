import { useQueries } from "@tanstack/react-query";
import { useMemo } from "react";
import { api } from "@/shared/api/client";
import { useUser } from "@/shared/session/session";

/** A name stays for so long without being asked for again. */
const STALE_MS = 60_000;

/** What the owners of devices are called, by their id. Any device of theirs tells it, to whoever may see the device. */
export function useOwnerNames(ownerIds: readonly (string | null)[]): ReadonlyMap<string, string> {
  const self = useUser();
  const own = self?.id;
  const key = [...new Set(ownerIds)].filter((id) => id !== null && id !== own).sort().join();
  const strangers = useMemo(() => (key === "" ? [] : key.split(",")), [key]);
  const found = useQueries({
    queries: strangers.map((ownerId) => ({
      queryKey: ["get", "/api/devices", { owner_id: ownerId, limit: 1 }],
      staleTime: STALE_MS,
      queryFn: async ({ signal }: { signal: AbortSignal }) => {
        const { data } = await api.GET("/api/devices", { params: { query: { owner_id: ownerId, limit: 1 } }, signal });
        return data?.items[0]?.owner_name ?? "";
      },
    })),
    combine: (answers) => answers.map((answer) => answer.data ?? "").join("\n"),
  });
  return useMemo(() => {
    const names = new Map(found === "" ? [] : found.split("\n").map((name, index) => [strangers[index] ?? "", name] as const));
    if (self !== undefined) names.set(self.id, self.username);
    return names;
  }, [found, strangers, self]);
}
