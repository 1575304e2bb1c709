import type { components } from "@/shared/api/generated/commands";
import { STATES } from "@/shared/commands/states";
import type { CommandState } from "@/shared/commands/states";
import type { CommandStep } from "@/shared/streams/shapes";

export type CommandItem = components["schemas"]["CommandItem"];

/** How far along its way a state is; a later one is never overwritten by news of an earlier one. */
const RANK = new Map(STATES.map((state, index) => [state, Math.min(index, 4)]));

export function isEnded(state: CommandState): boolean {
  return (RANK.get(state) ?? 0) >= 4;
}

function isState(text: string): text is CommandState {
  return (STATES as readonly string[]).includes(text);
}

/** One step as the socket tells it. */
export interface ToldStep {
  readonly ts: number;
  readonly data: CommandStep;
}

/**
 * Bring a listed command up to what the socket said since: `steps` has the newest first. `unknown` may still turn into
 * what really happened, so of two ends the newer one holds.
 */
export function withNews(item: CommandItem, steps: readonly ToldStep[] | undefined): CommandItem {
  const newest = steps?.find(({ data }) => isState(data.state));
  if (newest === undefined) return item;
  const state = newest.data.state as CommandState;
  const [before, after] = [RANK.get(item.state) ?? 0, RANK.get(state) ?? 0];
  if (after < before || (after === before && newest.ts <= Date.parse(item.updated_at))) return item;
  return {
    ...item,
    state,
    progress: newest.data.progress ?? item.progress,
    message: newest.data.message ?? item.message,
    error: newest.data.error_code === null ? item.error : { code: newest.data.error_code },
    updated_at: new Date(newest.ts).toISOString(),
  };
}
