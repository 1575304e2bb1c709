/** One field of a conflict: what the desktop wanted, what the server had, and which of them is in force. */
export interface FieldOfTwo {
  readonly field: string;
  readonly desktop: string;
  readonly server: string;
  /** Whether the desktop's value was applied although the edit as a whole lost, or the other way round. */
  readonly inForce: "desktop" | "server";
}

interface TwoSides {
  readonly desktop_fields: Readonly<Record<string, unknown>>;
  readonly server_fields: Readonly<Record<string, unknown>>;
  readonly applied: readonly string[];
  readonly winner: "desktop" | "server";
}

const NOTHING = "—";

function said(value: unknown): string {
  if (value === undefined || value === null) return NOTHING;
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The fields that the desktop's edit names, side by side; a password is told as changed, never as text. */
export function twoSides(conflict: TwoSides, passwordText: string): readonly FieldOfTwo[] {
  return Object.keys(conflict.desktop_fields)
    .sort()
    .map((field) => {
      const isPassword = field === "password";
      return {
        field,
        desktop: isPassword ? passwordText : said(conflict.desktop_fields[field]),
        server: isPassword ? NOTHING : said(conflict.server_fields[field]),
        inForce: conflict.winner === "desktop" || conflict.applied.includes(field) ? "desktop" : "server",
      };
    });
}

/** What a row is called: a person's name, a role's, a key; else its id. */
export function rowName(conflict: TwoSides & { readonly row_id: string }): string {
  for (const fields of [conflict.server_fields, conflict.desktop_fields]) {
    for (const key of ["username", "name", "key"]) {
      const value = fields[key];
      if (typeof value === "string" && value !== "") return value;
    }
  }
  return conflict.row_id;
}
