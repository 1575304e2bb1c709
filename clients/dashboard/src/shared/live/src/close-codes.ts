/** What to do about a close; by the protocol only the range decides. */
export type CloseVerdict = "stop" | "mend" | "resume";

export function closeVerdict(code: number): CloseVerdict {
  if (code >= 4000 && code < 4100) return "stop";
  if (code >= 4100 && code < 4200) return "mend";
  // 42xx, and whatever the network does (1006 and its kind).
  return "resume";
}

export const CLOSE_TOKEN_EXPIRED = 4101;
/** Ours, for closes that this client decides on: below 4000 by the rules of the browser there is only 1000. */
export const CLOSE_BY_CLIENT = 1000;
