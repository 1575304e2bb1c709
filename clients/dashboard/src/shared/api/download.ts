import { authorisedFetch } from "./client";
import { problemOf } from "./problem";

/** A file is made while it is sent: the whole of it may take so long. */
const TIMEOUT_MS = 10 * 60_000;
const REVOKE_AFTER_MS = 60_000;

/** Hand some content to the browser as a file of this name. */
export function saveFile(content: Blob, fileName: string): void {
  const address = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = address;
  link.download = fileName;
  link.click();
  // The browser reads the address after the press; when it has begun is not told.
  setTimeout(() => {
    URL.revokeObjectURL(address);
  }, REVOKE_AFTER_MS);
}

/**
 * Fetch a file with the session's token, which never stands in an address, and hand it to the browser. The service's own
 * name for it is taken where it gives one. Rejects with ApiProblem.
 */
export async function download(path: string, fileName: string): Promise<void> {
  const response = await authorisedFetch(new Request(new URL(path, window.location.origin)), TIMEOUT_MS);
  if (!response.ok) throw await problemOf(response);
  const given = /filename="([^"]+)"/.exec(response.headers.get("content-disposition") ?? "")?.[1];
  saveFile(await response.blob(), given ?? fileName);
}
