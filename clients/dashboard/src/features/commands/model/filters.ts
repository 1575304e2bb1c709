import type { CommandState } from "@/shared/commands/states";
import { STATES } from "@/shared/commands/states";

/** What the address of the page says: what is listed, and what is open beside the list. */
export interface CommandFilters {
  readonly device?: string;
  readonly state?: CommandState;
  readonly name?: string;
  readonly batch?: string;
  /** A command whose details are open. */
  readonly open?: string;
  readonly tab?: "refusals";
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Take the filters out of an address; what makes no sense is left out. */
export function readFilters(search: Record<string, unknown>): CommandFilters {
  const text = (name: string): string => (typeof search[name] === "string" ? search[name].trim() : "");
  const [device, state, name, batch, open] = [text("device"), text("state"), text("name"), text("batch"), text("open")];
  return {
    ...(device !== "" && { device }),
    ...((STATES as readonly string[]).includes(state) && { state: state as CommandState }),
    ...(name !== "" && { name }),
    ...(UUID.test(batch) && { batch }),
    ...(UUID.test(open) && { open }),
    ...(search["tab"] === "refusals" && { tab: "refusals" as const }),
  };
}
