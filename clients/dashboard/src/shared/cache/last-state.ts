import { openDB } from "idb";
import type { IDBPDatabase } from "idb";

/** The last state of a topic, as it is shown before the first answer and while there is none. */
export interface KeptState {
  readonly at: number;
  readonly entries: readonly (readonly [string, unknown])[];
}

const STORE = "state";
let opened: Promise<IDBPDatabase> | undefined;

function database(): Promise<IDBPDatabase> {
  opened ??= openDB("pulse-last-state", 1, {
    upgrade(db) {
      db.createObjectStore(STORE);
    },
  });
  return opened;
}

/** What was kept under a name for a user; undefined when there is nothing, or the browser keeps nothing. */
export async function readKept(userId: string, name: string): Promise<KeptState | undefined> {
  try {
    return (await (await database()).get(STORE, `${userId}/${name}`)) as KeptState | undefined;
  } catch {
    return undefined;
  }
}

/** Keep a state for the next visit; a browser that keeps nothing is no error. */
export async function keep(userId: string, name: string, state: KeptState): Promise<void> {
  try {
    await (await database()).put(STORE, state, `${userId}/${name}`);
  } catch {
    // Private windows refuse; the page works, it only starts empty.
  }
}

/** Forget what every user left here: somebody signed out. */
export async function forgetKept(): Promise<void> {
  try {
    await (await database()).clear(STORE);
  } catch {
    // Nothing was kept.
  }
}
