import createFetchClient from "openapi-fetch";
import type { Middleware } from "openapi-fetch";
import createQueryClient from "openapi-react-query";
import { QueryClient } from "@tanstack/react-query";
import { accessToken } from "../session/session";
import type { paths as AlertPaths } from "./generated/alerts";
import type { paths as CommandPaths } from "./generated/commands";
import type { paths as GatewayPaths } from "./generated/gateway";
import type { paths as IdentityPaths } from "./generated/identity";
import type { paths as SyncPaths } from "./generated/sync";
import { ApiProblem, problemOf, unreachable } from "./problem";
import { randomId } from "./random-id";

/** Every path of the one door, whoever answers it. */
export type Paths = AlertPaths & CommandPaths & GatewayPaths & IdentityPaths & SyncPaths;

const TIMEOUT_MS = 15_000;
const CHANGING = new Set(["POST", "PUT", "PATCH", "DELETE"]);

async function send(request: Request, token: string, timeoutMs: number): Promise<Response> {
  const headers = new Headers(request.headers);
  headers.set("Authorization", `Bearer ${token}`);
  const signal = AbortSignal.any([request.signal, AbortSignal.timeout(timeoutMs)]);
  return fetch(new Request(request, { headers, signal })).catch((error: unknown) => {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw unreachable(error);
  });
}

/** One request with the session's token; a token that was refused is renewed once. */
export async function authorisedFetch(input: Request, timeoutMs = TIMEOUT_MS): Promise<Response> {
  const again = input.clone();
  const response = await send(input, await accessToken(), timeoutMs);
  return response.status === 401 ? send(again, await accessToken(true), timeoutMs) : response;
}

const problems: Middleware = {
  onRequest({ request }) {
    // A change that is sent twice, because its answer was lost, happens once.
    if (CHANGING.has(request.method) && !request.headers.has("Idempotency-Key")) {
      request.headers.set("Idempotency-Key", randomId());
    }
    return request;
  },
  async onResponse({ response }) {
    if (!response.ok) throw await problemOf(response);
  },
};

/** The typed client: `await api.GET("/api/devices", …)`. Rejects with ApiProblem whatever goes wrong. */
export const api = createFetchClient<Paths>({ baseUrl: window.location.origin, fetch: (request) => authorisedFetch(request) });
api.use(problems);

/** Query hooks over it: `query.useQuery("get", "/api/devices", …)`. */
export const query = createQueryClient(api);

const STALE_MS = 10_000;
const RETRIES = 2;

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: STALE_MS,
      // Without a network a query fails at once and says so, instead of waiting for ever.
      networkMode: "always",
      retry: (failures, error) =>
        failures < RETRIES && error instanceof ApiProblem && (error.isUnreachable || error.status >= 500),
    },
    mutations: { networkMode: "always" },
  },
});
