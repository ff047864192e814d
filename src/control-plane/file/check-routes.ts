/** What the keys of a route must agree on, with each other and with the services that it names. */
import { suggestion } from '../../base/nearest-name.ts';
import { partsOfRewriteTemplate, patternFromPathTemplate } from '../../base/path-template.ts';
import { compilePattern } from '../../base/pattern.ts';
import { coversPath } from './covered-match.ts';
import { shown, type FilePath, type FileProblem } from './file-problem.ts';
import type { DefaultsFile, MeshFile, RouteFile, ServiceFile } from './schema.ts';
import type { SoundService } from './sound-services.ts';
import { cutTimes } from './time-bounds.ts';
import { maxWeight } from './schema-values.ts';
import { substitutionFault } from '../validate/substitution.ts';

/** The services that checks look names up in. */
export interface Services {
  readonly file: MeshFile;
  readonly sound: ReadonlyMap<string, SoundService>;
  /** All names, of sound services or not. */
  readonly names: ReadonlySet<string>;
}

/** The problems of the routes of one service. */
export function* routesProblems(services: Services, name: string, service: ServiceFile): Generator<FileProblem> {
  const { routes = [] } = service;
  const names = new Map<string, number>();
  for (const [index, route] of routes.entries()) {
    const path = ['services', name, 'routes', index];
    if (route.name !== undefined) {
      const other = names.get(route.name);
      if (other !== undefined)
        yield {
          path: [...path, 'name'],
          reason: `routes[${other}] has the name ${shown(route.name)} too; errors must tell them apart`,
        };
      else names.set(route.name, index);
    }
    yield* headersTwice(path, route);
    yield* sameNameTwice([...path, 'match', 'headers'], route.match?.headers);
    yield* rewriteProblems(path, route);
    yield* circleProblems(path, route, name, service);
    yield* destinationProblems(services, name, path, route);
    for (const [at, mirror] of (route.mirror ?? []).entries())
      yield* targetProblems(services, name, [...path, 'mirror', at], mirror);
    yield* tryProblems(path, route);
  }
}

/** Whether no request of the service needs endpoints of its own. */
export function routesLeadElsewhere(name: string, { routes }: ServiceFile): boolean {
  return (
    routes?.every(
      ({ to, redirect, respond, serviceHeader }) =>
        (redirect ?? respond ?? serviceHeader) !== undefined ||
        to?.every(({ service }) => service !== undefined && service !== name),
    ) ?? false
  );
}

/** Times that are longer than that of the whole request. Where the two are written apart it is only reported as without effect. */
export function* tryProblems(path: FilePath, policy: Partial<DefaultsFile> | ServiceFile | undefined): Generator<FileProblem> {
  const { timeoutMs = 0 } = policy ?? {};
  for (const { path: at, value } of cutTimes(policy ?? {}, timeoutMs)) {
    const reason = `found ${value}, more than \`timeoutMs\` (${timeoutMs}), which covers the whole request; make it smaller`;
    yield { path: [...path, ...at], reason };
  }
}

/** A redirect to what the same route takes again, so that the caller goes round in a circle. */
function* circleProblems(
  path: FilePath,
  { redirect, match }: RouteFile,
  name: string,
  { hosts, routes = [] }: ServiceFile,
): Generator<FileProblem> {
  if (redirect === undefined) return;
  const { scheme, host = name, port, path: newPath, stripQuery } = redirect;
  // With further hosts it may be there to lead them all to one.
  if ((scheme ?? port ?? stripQuery) !== undefined || host.toLowerCase() !== name.toLowerCase()) return;
  if (redirect.host !== undefined && hosts !== undefined) return;
  const tested = match?.path;
  const { full, prefix } = newPath ?? {};
  const isSame =
    newPath === undefined || (prefix !== undefined && prefix === (tested?.prefix ?? tested?.segmentPrefix ?? tested?.exact));
  const isTaken = full !== undefined && (tested === undefined || coversPath(tested, { exact: full }));
  // A route before it may take the new path.
  if (isSame || (isTaken && routes[0]?.redirect === redirect))
    yield {
      path: [...path, 'redirect'],
      reason: 'it leads back to this route, again and again; change the host or the path to one that the route does not take',
    };
}

type Headers = Pick<RouteFile, 'requestHeaders' | 'responseHeaders' | 'fault' | 'rateLimit'> & Pick<RouteFile, 'to'>;

/** Headers that stand twice in one mapping, since names have no case. */
export function* headersTwice(path: FilePath, policy: Headers): Generator<FileProblem> {
  const mutations: [FilePath, RouteFile['requestHeaders']][] = [
    [['rateLimit', 'responseHeaders'], policy.rateLimit?.responseHeaders],
  ];
  for (const key of ['requestHeaders', 'responseHeaders'] as const) {
    mutations.push([[key], policy[key]]);
    for (const [index, to] of (policy.to ?? []).entries()) mutations.push([['to', index, key], to[key]]);
  }
  for (const [at, mutation] of mutations)
    for (const key of ['set', 'setIfAbsent', 'setIfPresent', 'add'] as const)
      yield* sameNameTwice([...path, ...at, key], mutation?.[key]);
  yield* sameNameTwice([...path, 'fault', 'headers'], policy.fault?.headers);
}

function* sameNameTwice(path: FilePath, headers: object | undefined): Generator<FileProblem> {
  const seen = new Set<string>();
  for (const header of Object.keys(headers ?? {})) {
    const lower = header.toLowerCase();
    if (seen.has(lower))
      yield {
        path: [...path, header],
        reason: 'the header is there twice, in another case; keep one of them',
        atKey: true,
      };
    seen.add(lower);
  }
}

function* rewriteProblems(path: FilePath, { match, rewrite, redirect }: RouteFile): Generator<FileProblem> {
  const tested = match?.path;
  const at: FilePath = [...path, redirect === undefined ? 'rewrite' : 'redirect', 'path'];
  const newPath = redirect?.path ?? rewrite?.path;
  const hasPrefix = tested?.prefix ?? tested?.segmentPrefix ?? tested?.exact;
  if (newPath?.prefix !== undefined && hasPrefix === undefined) {
    const reason =
      'it takes the place of what `match.path` has matched; add `prefix`, `segmentPrefix` or `exact` there, or use `full` or `regex`';
    yield { path: [...at, 'prefix'], reason };
  }
  yield* substitutionProblems([...at, 'regex'], newPath?.regex);
  const host = typeof rewrite?.host === 'object' ? rewrite.host.regex : undefined;
  yield* substitutionProblems([...path, 'rewrite', 'host', 'regex'], host);
  const template = rewrite?.path?.template;
  if (template === undefined) return;
  if (tested?.template === undefined) {
    const reason = 'it takes its names from `match.path`; add a `template` there, such as /orders/{id}';
    yield { path: [...at, 'template'], reason };
    return;
  }
  const known = [...patternFromPathTemplate(tested.template).matchAll(/\(\?P<(\w+)>/g)].map(([, name = '']) => name);
  for (const part of partsOfRewriteTemplate(template)) {
    if (typeof part === 'string' || known.includes(part.variable)) continue;
    yield {
      path: [...at, 'template'],
      reason: `{${part.variable}} is no name of the template in \`match.path\`; ${suggestion(part.variable, known)}`,
    };
  }
}

type Substitution = { readonly pattern: string; readonly substitution: string };

function* substitutionProblems(path: FilePath, regex: Substitution | undefined): Generator<FileProblem> {
  if (regex === undefined) return;
  const reason = substitutionFault(regex.substitution, compilePattern(regex.pattern).groupCount());
  if (reason !== undefined) yield { path: [...path, 'substitution'], reason: `found ${shown(regex.substitution)}; ${reason}` };
}

function* destinationProblems(services: Services, own: string, path: FilePath, { to = [] }: RouteFile): Generator<FileProblem> {
  const sum = to.reduce((total, { weight }) => total + weight, 0);
  if (to.length > 0 && sum === 0)
    yield { path: [...path, 'to'], reason: 'all weights are 0; give one destination a weight of at least 1' };
  if (sum > maxWeight) yield { path: [...path, 'to'], reason: `the weights add up to ${sum}; expected at most ${maxWeight}` };
  for (const [index, destination] of to.entries()) yield* targetProblems(services, own, [...path, 'to', index], destination);
}

/** A service, and perhaps a subset of it, that requests are sent to. */
function* targetProblems(
  { sound, names }: Services,
  own: string,
  at: FilePath,
  { service = own, subset }: { readonly service?: string; readonly subset?: string },
): Generator<FileProblem> {
  if (!names.has(service)) {
    yield {
      path: [...at, 'service'],
      reason: `found ${shown(service)}; expected the name of a service; ${suggestion(service, [...names])}`,
    };
    return;
  }
  const { service: target, isWhole } = sound.get(service) ?? {};
  if (target === undefined || isWhole !== true) return;
  if (subset !== undefined && !Object.hasOwn(target.subsets ?? {}, subset)) {
    const subsets = Object.keys(target.subsets ?? {});
    yield {
      path: [...at, 'subset'],
      reason: `found ${shown(subset)}; expected the name of a subset of ${shown(service)}; ${suggestion(subset, subsets)}`,
    };
  }
  if (target.endpoints === undefined && target.dns === undefined && (service !== own || routesLeadElsewhere(own, target))) {
    yield {
      path: at,
      reason: `the service ${shown(service)} has no endpoints of its own; name one that has \`endpoints\` or \`dns\``,
    };
  }
}
