/**
 * Who is signed in. The access token lives in this module's memory and nowhere else; the refresh token is a cookie that
 * no script can read. Tabs share one session: one refreshes at a time, and tells the others.
 */
import { create } from "zustand";
import type { components } from "../api/generated/identity";
import { ApiProblem, problemOf, unreachable } from "../api/problem";
import type { Permission } from "./permission";

export type SessionUser = components["schemas"]["Me"];
type TokenAnswer = components["schemas"]["TokenAnswer"];

export type SessionState =
  /** Asking whether the cookie still opens a session; `user` is who it was last time. */
  | { readonly kind: "restoring"; readonly user: SessionUser | undefined }
  /** Nobody answers: what was kept may be looked at. */
  | { readonly kind: "offline"; readonly user: SessionUser }
  | { readonly kind: "open"; readonly user: SessionUser; readonly endsAt: number }
  /** `ended`: it was open, and is over without the person's doing. */
  | { readonly kind: "closed"; readonly why: "new" | "signed-out" | "ended" };

type TabMessage =
  | { readonly kind: "tokens"; readonly answer: TokenAnswer }
  | { readonly kind: "signed-out" };

const LOCK = "pulse-session";
const CHANNEL = "pulse-session";
const REMEMBERED = "pulse.user";
/** A token is renewed so long before its end: a slow answer must not become a visible break. */
const EARLY_MS = 90_000;
/** A token with less than this left is not handed out any more. */
const LEAST_LEFT_MS = 15_000;
const TIMEOUT_MS = 10_000;
const TRY_AGAIN_MS = 5_000;

export const useSession = create<SessionState>(() => ({ kind: "restoring", user: remembered() }));

let token: { readonly text: string; readonly goodUntil: number } | undefined;
let refreshing: Promise<void> | undefined;
let timer: ReturnType<typeof setTimeout> | undefined;
const tokenListeners = new Set<(token: string) => void>();
const channel = typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel(CHANNEL);

/** Name, roles and rights of who was here last, to draw the page before the first answer. No token. */
function remembered(): SessionUser | undefined {
  try {
    const text = localStorage.getItem(REMEMBERED);
    return text === null ? undefined : (JSON.parse(text) as SessionUser);
  } catch {
    return undefined;
  }
}

function remember(user: SessionUser | undefined): void {
  try {
    if (user === undefined) localStorage.removeItem(REMEMBERED);
    else localStorage.setItem(REMEMBERED, JSON.stringify(user));
  } catch {
    // A browser that keeps nothing asks again.
  }
}

function take(answer: TokenAnswer): void {
  token = { text: answer.access_token, goodUntil: Date.now() + answer.expires_in * 1000 };
  remember(answer.user);
  useSession.setState({ kind: "open", user: answer.user, endsAt: Date.parse(answer.refresh_expires_at) }, true);
  clearTimeout(timer);
  timer = setTimeout(refreshQuietly, Math.max(1_000, answer.expires_in * 1000 - EARLY_MS));
  for (const listener of tokenListeners) listener(answer.access_token);
}

function close(why: "signed-out" | "ended" | "new"): void {
  token = undefined;
  clearTimeout(timer);
  remember(undefined);
  useSession.setState({ kind: "closed", why }, true);
}

function refreshQuietly(): void {
  refresh().catch(() => {
    clearTimeout(timer);
    if (useSession.getState().kind !== "closed") timer = setTimeout(refreshQuietly, TRY_AGAIN_MS);
  });
}

async function post(path: string, body: unknown): Promise<Response> {
  return fetch(path, {
    method: "POST",
    credentials: "same-origin",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((error: unknown) => {
    throw unreachable(error);
  });
}

/** Only one tab at a time turns the cookie in; where there are no locks, the server's grace period covers a race. */
async function alone(run: () => Promise<void>): Promise<void> {
  const locks = (navigator as { locks?: LockManager }).locks;
  if (locks === undefined) await run();
  else await locks.request(LOCK, run);
}

/** Get a new access token and the rights that hold now. Rejects with ApiProblem; a session that is over is closed. */
export function refresh(): Promise<void> {
  refreshing ??= refreshOnce().finally(() => {
    refreshing = undefined;
  });
  return refreshing;
}

async function refreshOnce(): Promise<void> {
  const before = token?.text;
  await alone(async () => {
    // While we waited, another tab may have done it and told us.
    if (token !== undefined && token.text !== before) return;
    const response = await post("/api/auth/refresh", {});
    if (response.ok) {
      const answer = (await response.json()) as TokenAnswer;
      take(answer);
      channel?.postMessage({ kind: "tokens", answer } satisfies TabMessage);
      return;
    }
    const problem = await problemOf(response);
    if (problem.status === 401 || problem.status === 403) close(wasOpen() ? "ended" : "new");
    throw problem;
  }).catch((error: unknown) => {
    const state = useSession.getState();
    if (error instanceof ApiProblem && state.kind === "restoring") {
      if (state.user === undefined) close("new");
      else useSession.setState({ kind: "offline", user: state.user }, true);
    }
    throw error;
  });
}

function wasOpen(): boolean {
  const state = useSession.getState();
  return state.kind === "open" || ((state.kind === "restoring" || state.kind === "offline") && state.user !== undefined);
}

/** Find out whether there still is a session. */
export function restore(): void {
  channel?.addEventListener("message", (event: MessageEvent<TabMessage>) => {
    if (event.data.kind === "tokens") take(event.data.answer);
    else if (useSession.getState().kind !== "closed") close("signed-out");
  });
  window.addEventListener("online", () => {
    if (useSession.getState().kind !== "closed") refreshQuietly();
  });
  refreshQuietly();
}

/** Sign in with a name and a password. Rejects with ApiProblem. */
export async function signIn(username: string, password: string): Promise<void> {
  const response = await post("/api/auth/login", { username, password, use_cookie: true });
  if (!response.ok) throw await problemOf(response);
  const answer = (await response.json()) as TokenAnswer;
  take(answer);
  channel?.postMessage({ kind: "tokens", answer } satisfies TabMessage);
}

/** End the session here and in every tab. Rejects with ApiProblem when the server could not be told. */
export async function signOut(): Promise<void> {
  const response = await post("/api/auth/logout", {});
  if (!response.ok) throw await problemOf(response);
  close("signed-out");
  channel?.postMessage({ kind: "signed-out" } satisfies TabMessage);
}

/** A token that is good now; `isRefused`: the last one was not, whatever its age. Rejects with ApiProblem. */
export async function accessToken(isRefused = false): Promise<string> {
  if (isRefused || token === undefined || token.goodUntil - Date.now() < LEAST_LEFT_MS) await refresh();
  if (token === undefined) throw new ApiProblem("signed_out", "nobody is signed in", 401);
  return token.text;
}

/** Rights that are gone are gone from every screen at once; what came instead comes with the next token. */
export function keepOnly(permissions: readonly string[]): void {
  const state = useSession.getState();
  if (state.kind !== "open") return;
  const kept = state.user.permissions.filter((permission) => permissions.includes(permission));
  if (kept.length === state.user.permissions.length) return;
  const user = { ...state.user, permissions: kept };
  remember(user);
  useSession.setState({ ...state, user }, true);
}

/** Hear of every new token: the live socket is told before its old one ends. */
export function onToken(listener: (token: string) => void): () => void {
  tokenListeners.add(listener);
  return () => {
    tokenListeners.delete(listener);
  };
}

/** The signed-in user, or who it was while nobody answers. */
export function useUser(): SessionUser | undefined {
  return useSession((state) => (state.kind === "closed" ? undefined : state.user));
}

/** Whether the user may do something. The services decide; this only spares people a refusal. */
export function usePermission(permission: Permission | undefined): boolean {
  return useSession(
    (state) =>
      permission === undefined ||
      (state.kind !== "closed" && state.user !== undefined && state.user.permissions.includes(permission)),
  );
}
