/** What endpoints, their priorities and places, and `localities` must agree on. */
import { suggestion } from '../../base/nearest-name.ts';
import { shown, type FilePath, type FileProblem } from './file-problem.ts';
import { localityName, placeOf, type Place } from './locality-name.ts';
import type { DefaultsFile, ServiceFile } from './schema.ts';
import { maxWeight } from './schema-values.ts';

type Localities = NonNullable<ServiceFile['localities']> | DefaultsFile['localities'];

/** Keys of `localities` that belong to another mode. */
export function* modeProblems(path: FilePath, localities: Localities | undefined): Generator<FileProblem> {
  if (localities?.mode === 'zone-aware') return;
  for (const key of ['zoneAwareMinClusterSize', 'zoneAwareRoutingPercent'] as const) {
    if (localities?.[key] === undefined) continue;
    yield { path: [...path, key], reason: 'it has an effect with `mode: zone-aware` only; add that, or remove it' };
  }
}

/** Priorities, health and weights of the endpoints of one service. */
export function* placeProblems(path: FilePath, { endpoints, localities }: ServiceFile): Generator<FileProblem> {
  yield* weightProblems([...path, 'localities'], localities, endpoints?.map(placeOf));
  if (endpoints === undefined) return;
  const priorities = new Set(endpoints.map((endpoint) => placeOf(endpoint).priority));
  for (const [index, endpoint] of endpoints.entries()) {
    const { priority } = placeOf(endpoint);
    const missing = Array.from({ length: priority }, (_, rank) => rank).find((rank) => !priorities.has(rank));
    if (missing === undefined) continue;
    yield {
      path: [...path, 'endpoints', index, 'priority'],
      reason: `found ${priority}, and no endpoint has the priority ${missing}; they are counted from 0 without a gap`,
    };
    return;
  }
}

function* weightProblems(
  path: FilePath,
  localities: ServiceFile['localities'],
  endpoints: readonly Place[] | undefined,
): Generator<FileProblem> {
  if (localities === undefined) return;
  const { mode, weights } = localities;
  if (mode !== 'weighted') {
    if (weights !== undefined)
      yield { path: [...path, 'weights'], reason: 'it has an effect with `mode: weighted` only; add that, or remove it' };
    return;
  }
  if (endpoints === undefined) {
    yield { path: [...path, 'mode'], reason: '`weighted` needs `endpoints` with a zone; the addresses of a name have none' };
    return;
  }
  const names = [...new Set(endpoints.map(localityName))];
  if (weights === undefined) {
    const example = names.map((name) => `${name || 'eu-1a'}: 1`).join(', ');
    yield { path: [...path, 'mode'], reason: `\`weighted\` needs the \`weights\` of the localities: { ${example} }` };
    return;
  }
  yield* nameProblems([...path, 'weights'], weights, names);
  yield* sumProblems([...path, 'weights'], weights, endpoints);
}

function* nameProblems(
  path: FilePath,
  weights: Readonly<Record<string, number>>,
  names: readonly string[],
): Generator<FileProblem> {
  if (names.includes(''))
    yield { path, reason: 'an endpoint has no region, zone or sub-zone, so no weight can be its own; add one' };
  for (const name of Object.keys(weights))
    if (!names.includes(name))
      yield { path: [...path, name], reason: `no endpoint is there; ${suggestion(name, names)}`, atKey: true };
  for (const name of names)
    if (name !== '' && !Object.hasOwn(weights, name))
      yield { path, reason: `the weight of ${shown(name)} is missing, so it would get nothing; add it` };
}

function* sumProblems(
  path: FilePath,
  weights: Readonly<Record<string, number>>,
  endpoints: readonly Place[],
): Generator<FileProblem> {
  const byPriority = Map.groupBy(endpoints, ({ priority }) => priority);
  for (const [priority, members] of byPriority) {
    const names = new Set(members.map(localityName));
    const sum = [...names].reduce((total, name) => total + (weights[name] ?? 1), 0);
    if (sum === 0) yield { path, reason: `all weights of the priority ${priority} are 0; give one locality at least 1` };
    if (sum > maxWeight) yield { path, reason: `the weights of the priority ${priority} add up to ${sum}; at most ${maxWeight}` };
  }
}
