import { api } from "../api/client";
import type { components } from "../api/generated/gateway";
import { ApiProblem } from "../api/problem";
import { useSession } from "../session/session";
import { LANGUAGES, usePreferences, whenChosen } from "./preferences";
import type { Language } from "./preferences";

type Answer = components["schemas"]["PreferencesAnswer"];

/** Whose choice in this browser the server has not heard of yet: made offline, or cut off. */
const UNSAVED = "pulse.preferences.unsaved";

function unsaved(): string | null {
  try {
    return localStorage.getItem(UNSAVED);
  } catch {
    return null;
  }
}

function noteUnsaved(userId: string | undefined): void {
  try {
    if (userId === undefined) localStorage.removeItem(UNSAVED);
    else localStorage.setItem(UNSAVED, userId);
  } catch {
    // A browser that keeps nothing asks the server.
  }
}

async function read(): Promise<Answer> {
  const { data } = await api.GET("/api/preferences");
  if (data === undefined) throw new Error("an answer without a body");
  return data;
}

/** Put this browser's choice in the place of what the server has; what this page does not know stays. */
async function save(): Promise<void> {
  const { version, time_zone, clock } = await read();
  const { language, theme, density, isWall } = usePreferences.getState();
  const body = { time_zone, clock, language, theme, density, wall: isWall };
  try {
    await api.PUT("/api/preferences", { params: { header: { "If-Match": `"${String(version)}"` } }, body });
  } catch (error) {
    // Somebody was faster: what was chosen here was chosen later.
    if (!(error instanceof ApiProblem) || error.status !== 412) throw error;
    await save();
  }
}

async function take(): Promise<void> {
  const { version, language, theme, density, wall } = await read();
  if (version === 0) return;
  const isSpoken = LANGUAGES.includes(language ?? "");
  usePreferences.setState({ theme, density, isWall: wall, ...(isSpoken && { language: language as Language }) });
}

/** Bring a person's preferences along to whatever browser they sign in on, and back. Called once. */
export function sharePreferences(): void {
  let userId: string | undefined;
  let last = Promise.resolve();
  const inTurn = (run: () => Promise<void>): void => {
    // One after the other; what fails is tried again with the next session or choice.
    last = last.then(run).catch(() => undefined);
  };
  const saveMine = async (): Promise<void> => {
    await save();
    noteUnsaved(undefined);
  };
  whenChosen(() => {
    noteUnsaved(userId);
    if (userId !== undefined) inTurn(saveMine);
  });
  const follow = (): void => {
    const state = useSession.getState();
    const now = state.kind === "open" ? state.user.id : undefined;
    if (now === userId) return;
    userId = now;
    if (now !== undefined) inTurn(unsaved() === now ? saveMine : take);
  };
  useSession.subscribe(follow);
  follow();
}
