import { useSession } from "@/shared/session/session";
import { useFromNow } from "@/shared/time/ticker";

/** Whoever is warned has so long to say that they are still there. */
const WARNING_MS = 2 * 60_000;

/** How long the session still lasts, in milliseconds, once that is little. */
export function useSessionEnd(): number | undefined {
  const endsAt = useSession((state) => (state.kind === "open" ? state.endsAt : undefined));
  return useFromNow((now) => (endsAt === undefined || endsAt - now > WARNING_MS ? undefined : Math.max(0, endsAt - now)));
}
