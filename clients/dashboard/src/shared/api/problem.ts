/** One field that was wrong in a request. */
export interface FieldProblem {
  readonly field: string;
  readonly code: string;
  readonly message: string;
}

/** Why a request was not carried out: the service's problem document, or what the network did. */
export class ApiProblem extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly status: number,
    readonly requestId?: string,
    readonly fields: readonly FieldProblem[] = [],
    readonly retryAfterSeconds?: number,
  ) {
    super(message);
    this.name = "ApiProblem";
  }

  /** Whether nobody answered: no network, no server, or none in time. */
  get isUnreachable(): boolean {
    return this.status === 0;
  }
}

/** Read the problem out of an answer; whatever it looks like. */
export async function problemOf(response: Response): Promise<ApiProblem> {
  const requestId = response.headers.get("x-request-id") ?? undefined;
  const retry = Number(response.headers.get("retry-after") ?? Number.NaN);
  const retryAfter = Number.isFinite(retry) ? retry : undefined;
  const found: unknown = await response
    .clone()
    .json()
    .catch(() => undefined);
  const body = (typeof found === "object" && found !== null ? found : {}) as {
    code?: string; detail?: string; title?: string; errors?: FieldProblem[]; field?: string; retry_after?: number;
  };
  const detail = body.detail ?? body.title ?? response.statusText;
  const own = body.field === undefined ? [] : [{ field: body.field, code: body.code ?? "invalid", message: detail }];
  return new ApiProblem(
    body.code ?? `http_${String(response.status)}`,
    detail,
    response.status,
    requestId,
    body.errors ?? own,
    body.retry_after ?? retryAfter,
  );
}

/** What a browser throws when nobody answered, as a problem. */
export function unreachable(error: unknown): ApiProblem {
  const isTimeout = error instanceof DOMException && error.name === "TimeoutError";
  return new ApiProblem(isTimeout ? "timeout" : "unreachable", isTimeout ? "no answer in time" : "no connection", 0);
}
