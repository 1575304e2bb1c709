/** Rights that belong to one thing: `users` with `read` and `write`. */
export interface RightsOfThing<Right extends { readonly name: string }> {
  readonly thing: string;
  readonly rights: readonly Right[];
}

/** Rights by the thing they are about, in the order in which they are first named. */
export function byThing<Right extends { readonly name: string }>(rights: readonly Right[]): readonly RightsOfThing<Right>[] {
  const found = new Map<string, Right[]>();
  for (const right of rights) {
    const thing = right.name.split(":")[0] ?? right.name;
    const known = found.get(thing);
    if (known === undefined) found.set(thing, [right]);
    else known.push(right);
  }
  return [...found].map(([thing, of]) => ({ thing, rights: of }));
}

/** The rights that these roles would give and somebody lacks: nobody can give what they do not have. */
export function lacking(
  roles: readonly { readonly name: string; readonly permissions: readonly string[] }[],
  names: readonly string[],
  own: readonly string[],
): readonly string[] {
  const given = roles.filter((role) => names.includes(role.name)).flatMap((role) => role.permissions);
  return [...new Set(given)].filter((right) => !own.includes(right)).sort();
}
