import type { Message } from './message.ts';

/** Where a message stands: at a path, or in a field of another message (at an index of its list, or −1). */
export type Place = string | { readonly owner: Message; readonly name: string; readonly index: number };

/** The path of a place. */
export function pathOf(place: Place): string {
  if (typeof place === 'string') return place;
  const path = place.owner.at(place.name);
  return place.index === -1 ? path : `${path}[${place.index}]`;
}
