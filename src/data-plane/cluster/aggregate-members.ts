/**
 * The clusters that an aggregate is made of: the tree is laid flat, each cluster where it comes first, and what leads back to the
 * aggregate, whose members are not known yet, is left out. `membersOf` says the members of an aggregate; undefined = it is none.
 * Source: gRFC A37, "aggregate clusters".
 */
export function flatMembers<C>(
  children: readonly (C | undefined)[],
  membersOf: (child: C) => readonly C[] | 'unknown' | undefined,
): readonly C[] {
  const members = new Set<C>();
  for (const child of children) {
    if (child === undefined) continue;
    const inner = membersOf(child);
    if (inner === undefined) members.add(child);
    else if (inner !== 'unknown') for (const member of inner) members.add(member);
  }
  return [...members];
}
