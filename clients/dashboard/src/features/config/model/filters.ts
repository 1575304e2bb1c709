export const SCOPES = ["all", "group", "device"] as const;
export const TABS = ["entries", "device", "applied", "keys"] as const;
export type Scope = (typeof SCOPES)[number];
export type Tab = (typeof TABS)[number];

/** What the address of the page says: what is listed, and what is open beside the list. */
export interface ConfigFilters {
  readonly tab?: Exclude<Tab, "entries">;
  readonly scope?: Scope;
  readonly target?: string;
  readonly key?: string;
  readonly search?: string;
  readonly device?: string;
  /** A device to compare with. */
  readonly other?: string;
  /** To compare with what held then: local date and time as the browser's field gives it. */
  readonly then?: string;
  readonly lagging?: true;
  readonly page?: number;
  /** The id of the entry whose details are open. */
  readonly open?: string;
}

function text(value: unknown): string {
  // The router reads an id of digits as a number.
  return typeof value === "string" || typeof value === "number" ? String(value).trim() : "";
}

/** Take the filters out of an address; what makes no sense is left out. */
export function readFilters(search: Record<string, unknown>): ConfigFilters {
  const tab = TABS.find((one) => one === search["tab"]);
  const scope = SCOPES.find((one) => one === search["scope"]);
  const [target, key, sought] = [text(search["target"]), text(search["key"]), text(search["search"])];
  const [device, other, then] = [text(search["device"]), text(search["other"]), text(search["then"])];
  const [page, open] = [Number(search["page"]), text(search["open"])];
  return {
    ...(tab !== undefined && tab !== "entries" && { tab }),
    ...(scope !== undefined && { scope }),
    ...(target !== "" && { target }),
    ...(key !== "" && { key }),
    ...(sought !== "" && { search: sought }),
    ...(device !== "" && { device }),
    ...(other !== "" && other !== device && { other }),
    ...(Number.isFinite(Date.parse(then)) && { then }),
    ...((search["lagging"] === true || search["lagging"] === "true") && { lagging: true as const }),
    ...(Number.isInteger(page) && page > 1 && { page }),
    ...(addressOf(open) !== undefined && { open }),
  };
}

/** Where an entry stands, as a request's path wants it: `-` is the target of what holds for all. */
export interface Address {
  readonly scope: Scope;
  readonly target: string;
  readonly key: string;
}

/** Read an entry's id, `scope/target/key`; a target may hold slashes, the others cannot. */
export function addressOf(id: string): Address | undefined {
  const [first, last] = [id.indexOf("/"), id.lastIndexOf("/")];
  const scope = SCOPES.find((one) => one === id.slice(0, first));
  const [target, key] = [id.slice(first + 1, last), id.slice(last + 1)];
  if (first < 0 || scope === undefined || key === "") return undefined;
  if (scope === "all") return { scope, target: "-", key };
  return target === "" ? undefined : { scope, target, key };
}

/** The id of what stands at an address. */
export function idOf({ scope, target, key }: Address): string {
  return `${scope}/${scope === "all" ? "" : target}/${key}`;
}
