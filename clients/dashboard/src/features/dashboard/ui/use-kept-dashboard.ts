import { useEffect, useState } from "react";
import { keep, readKept } from "@/shared/cache/last-state";
import { useUser } from "@/shared/session/session";
import type { DashboardAnswer } from "../model/document";

const NAME = "dashboard";

/** The dashboard that was seen last, for the first paint and for when nobody answers; what is seen now is kept for then. */
export function useKeptDashboard(seen: DashboardAnswer | undefined): DashboardAnswer | undefined {
  const userId = useUser()?.id;
  const [kept, setKept] = useState<DashboardAnswer | undefined>();
  useEffect(() => {
    if (userId === undefined) return;
    if (seen !== undefined) {
      void keep(userId, NAME, { at: Date.now(), entries: [[seen.id, seen]] });
      return;
    }
    let isOver = false;
    void readKept(userId, NAME).then((found) => {
      if (!isOver) setKept(found?.entries[0]?.[1] as DashboardAnswer | undefined);
    });
    return () => {
      isOver = true;
    };
  }, [userId, seen]);
  return kept;
}
