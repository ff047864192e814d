/**
 * Envoy chooses a filter chain by one condition after the other and never goes back: where a chain for `a.example` wants h2 besides, a
 * connection to `a.example` without it gets no chain, not even one without conditions. The model takes the first chain that matches, so
 * that such a connection would fall through to a chain that may be more open; a chain that refuses it (or the default one) stands there.
 */
import type { FilterChainConfig } from '../../../../model/listener.ts';
import { refusal } from './rbac.ts';

type Match = FilterChainConfig['match'];

/** In Envoy's order. */
const conditions = ['destinationCidrs', 'serverNames', 'transport', 'alpn', 'source', 'sourceCidrs'] as const;

/** The chains to be added to those of one port. `fallback` is the default chain. */
export function closedBranches(
  chains: readonly FilterChainConfig[],
  fallback: FilterChainConfig | undefined,
): readonly FilterChainConfig[] {
  const added = new Map<string, FilterChainConfig>();
  for (const { name, match } of chains) {
    for (const [index, condition] of conditions.entries()) {
      if (match[condition] === undefined || !hasMore(match, index)) continue;
      const branch = upTo(match, index);
      if (chains.some((other) => isWhole(other.match, branch, index))) continue;
      if (!chains.some((other) => isFartherOut(other.match, branch, index))) continue;
      added.set(JSON.stringify(branch), {
        ...(fallback ?? closed(`${name}, otherwise`)),
        name: `${name}, otherwise`,
        match: branch,
      });
    }
  }
  return [...added.values()];
}

function closed(name: string): Omit<FilterChainConfig, 'match'> {
  return { name, protocol: 'opaque', authorization: [refusal(name)], connectionAuthorization: [refusal(name)] };
}

function hasMore(match: Match, index: number): boolean {
  return conditions.slice(index + 1).some((condition) => match[condition] !== undefined);
}

function upTo(match: Match, index: number): Match {
  return Object.fromEntries(Object.entries(match).filter(([key]) => conditions.slice(0, index + 1).includes(key as 'alpn')));
}

/** Whether this chain takes what is left in the branch. */
function isWhole(match: Match, branch: Match, index: number): boolean {
  const isInside = conditions.slice(0, index + 1).every((condition) => overlaps(match[condition], branch[condition]));
  return isInside && !hasMore(match, index);
}

/** Whether a connection of the branch could fall through to this chain: it leaves a condition of the branch open, or has a wider one. */
function isFartherOut(match: Match, branch: Match, index: number): boolean {
  let isWider = false;
  for (const condition of conditions.slice(0, index + 1)) {
    const [own, wanted] = [match[condition], branch[condition]];
    if (overlaps(own, wanted)) continue;
    const isRange = Array.isArray(own) && condition !== 'alpn';
    if (own !== undefined && !isRange) return false;
    isWider = true;
  }
  return isWider;
}

function overlaps(one: string | readonly string[] | undefined, other: string | readonly string[] | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  const values = new Set([one].flat());
  return [other].flat().some((value) => values.has(value));
}
