/**
 * What the keys of a file must agree on between them: names that must exist, hosts that only one service may have, ports that must
 * come from somewhere. Services with a mistake of their own are left out; the others are checked all the same, so that one start
 * shows all mistakes.
 */
import { suggestion } from '../../base/nearest-name.ts';
import { canonicalDomain, parseAddress } from './address.ts';
import { shown, type FilePath, type FileProblem } from './file-problem.ts';
import type { MeshFile, RouteFile, ServiceFile } from './schema.ts';
import { maxWeight } from './schema-values.ts';

interface Services {
  readonly file: MeshFile;
  /** Those that may be read. */
  readonly sound: ReadonlyMap<string, ServiceFile>;
  /** All names, of sound services or not. */
  readonly names: ReadonlySet<string>;
}

/**
 * Checks the services of `file` for which `isSound(name)`; `names` are those of all services. The problems are looked for one by one,
 * as they are taken: a file with thousands of them is not checked to its end.
 */
export function* serviceProblems(
  file: MeshFile,
  names: readonly string[],
  isSound: (name: string) => boolean,
): Generator<FileProblem> {
  const sound = new Map(Object.entries(file.services).filter(([name]) => isSound(name)));
  const services: Services = { file, sound, names: new Set(names) };
  yield* domainProblems(services);
  for (const [name, service] of sound) {
    yield* endpointProblems(name, service);
    yield* subsetProblems(name, service);
    yield* routesProblems(services, name, service);
    yield* tryProblems(['services', name], service);
    yield* tlsProblems(services, ['services', name, 'tls'], service.tls);
  }
  yield* tlsProblems(services, ['defaults', 'tls'], file.defaults?.tls);
  yield* tryProblems(['defaults'], file.defaults);
}

/** Two services must not have the same host: which of them would serve it? */
function* domainProblems({ sound, names }: Services): Generator<FileProblem> {
  const owners = new Map<string, string>();
  const claim = (domain: string, owner: string): string | undefined => {
    const canonical = canonicalDomain(domain);
    const other = owners.get(canonical);
    if (other === undefined) owners.set(canonical, owner);
    else if (other === owner) return `the service has the host ${shown(domain)} already; remove it here`;
    else return `the service ${shown(other)} has the host ${shown(domain)} too; keep it in one of them`;
    return undefined;
  };
  for (const name of names) {
    const reason = claim(name, name);
    if (reason !== undefined) yield { path: ['services', name], reason };
  }
  for (const [name, { hosts = [] }] of sound) {
    for (const [index, host] of hosts.entries()) {
      const reason = claim(host, name);
      if (reason !== undefined) yield { path: ['services', name, 'hosts', index], reason };
    }
  }
}

function* endpointProblems(name: string, service: ServiceFile): Generator<FileProblem> {
  const path = ['services', name];
  const { endpoints, dns, port, subsets } = service;
  if (endpoints !== undefined && dns !== undefined) {
    yield { path: [...path, 'dns'], reason: 'the service has `endpoints` too; keep one of them', atKey: true };
    return;
  }
  if (endpoints === undefined && dns === undefined && !routesLeadElsewhere(name, service)) {
    yield {
      path,
      reason: 'the service has no `endpoints` and no `dns`; add one of them, or `routes` that all lead to other services',
    };
  }
  if (subsets !== undefined && endpoints === undefined) {
    yield {
      path: [...path, 'subsets'],
      reason: 'subsets select by the `metadata` of `endpoints`, and the service has none; remove them',
      atKey: true,
    };
  }
  const seen = new Map<string, number>();
  for (const [index, endpoint] of (endpoints ?? []).entries()) {
    const isText = typeof endpoint === 'string';
    const text = isText ? endpoint : endpoint.address;
    const at = [...path, 'endpoints', index, ...(isText ? [] : ['address'])];
    const address = parseAddress(text)!;
    const endpointPort = address.port ?? port;
    if (endpointPort === undefined)
      yield { path: at, reason: `found ${shown(text)}; expected a port too, here or as \`port\` of the service` };
    const key = `${address.host.toLowerCase()} ${endpointPort}`;
    if (seen.has(key))
      yield {
        path: at,
        reason: `the same address as endpoints[${seen.get(key)}]; give that one a larger \`weight\` instead`,
      };
    else seen.set(key, index);
  }
}

/** A subset without a single endpoint would fail every request that a route sends to it. */
function* subsetProblems(name: string, { endpoints, subsets }: ServiceFile): Generator<FileProblem> {
  if (endpoints === undefined) return;
  const described = endpoints.map((endpoint) => (typeof endpoint === 'string' ? {} : (endpoint.metadata ?? {})));
  for (const [subset, wanted] of Object.entries(subsets ?? {})) {
    const selects = (metadata: Metadata): boolean => Object.entries(wanted).every(([key, value]) => metadata[key] === value);
    if (described.some(selects)) continue;
    const path = ['services', name, 'subsets', subset];
    const otherType = Object.entries(wanted).find(([key, value]) => {
      const values = described.map((metadata) => metadata[key]);
      return !values.includes(value) && values.some((found) => found !== undefined && isAlike(found, value));
    });
    if (otherType === undefined) {
      yield { path, reason: 'no endpoint has all these values in its `metadata`; correct them, or remove the subset' };
    } else {
      const [key, value] = otherType;
      const found = described.map((metadata) => metadata[key]).find((other) => other !== undefined && isAlike(other, value))!;
      const reason = `found the ${typeof value} ${shown(value)}; the endpoints have the ${typeof found} ${shown(found)}; write both in quotes or neither`;
      yield { path: [...path, key], reason };
    }
  }
}

type Metadata = Readonly<Record<string, unknown>>;

/** The same word in another type: `1.10` is the number 1.1, and the text "1.10" is what was meant. */
function isAlike(a: unknown, b: unknown): boolean {
  if (typeof a === typeof b) return false;
  return String(a) === String(b) || Number(a) === Number(b);
}

/** Whether no request of the service needs endpoints of its own. */
function routesLeadElsewhere(name: string, { routes }: ServiceFile): boolean {
  return routes?.every(({ to }) => to?.every(({ service }) => service !== undefined && service !== name)) ?? false;
}

function* routesProblems(services: Services, name: string, { routes = [] }: ServiceFile): Generator<FileProblem> {
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
    yield* headerProblems(path, route);
    yield* destinationProblems(services, name, path, route);
    yield* tryProblems(path, route);
  }
}

function* headerProblems(path: FilePath, { match }: RouteFile): Generator<FileProblem> {
  const seen = new Set<string>();
  for (const header of Object.keys(match?.headers ?? {})) {
    const lower = header.toLowerCase();
    if (seen.has(lower))
      yield {
        path: [...path, 'match', 'headers', header],
        reason: 'the header is there twice, in another case; keep one of them',
        atKey: true,
      };
    seen.add(lower);
  }
}

function* destinationProblems(
  { sound, names }: Services,
  own: string,
  path: FilePath,
  { to = [] }: RouteFile,
): Generator<FileProblem> {
  const sum = to.reduce((total, { weight }) => total + weight, 0);
  if (to.length > 0 && sum === 0)
    yield { path: [...path, 'to'], reason: 'all weights are 0; give one destination a weight of at least 1' };
  if (sum > maxWeight) yield { path: [...path, 'to'], reason: `the weights add up to ${sum}; expected at most ${maxWeight}` };
  for (const [index, { service = own, subset }] of to.entries()) {
    const at = [...path, 'to', index];
    if (!names.has(service)) {
      yield {
        path: [...at, 'service'],
        reason: `found ${shown(service)}; expected the name of a service; ${suggestion(service, [...names])}`,
      };
      continue;
    }
    const target = sound.get(service);
    if (target === undefined) continue;
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
}

function* tlsProblems({ file }: Services, path: FilePath, tls: ServiceFile['tls']): Generator<FileProblem> {
  if (tls?.mode !== 'mutual' || file.identity?.certificate !== undefined) return;
  yield {
    path: [...path, 'mode'],
    reason: '`mutual` needs a certificate to show; add `identity: { certificate, privateKey, trustBundle }`, or use `simple`',
  };
}

/** A limit of one attempt that is longer than that of all attempts. Where the two are written apart it is only reported as without effect. */
function* tryProblems(path: FilePath, policy: Pick<RouteFile, 'timeoutMs' | 'retry'> | undefined): Generator<FileProblem> {
  const { timeoutMs = 0, retry } = policy ?? {};
  if (timeoutMs === 0 || !((retry?.perTryTimeoutMs ?? 0) > timeoutMs)) return;
  const reason = `found ${retry?.perTryTimeoutMs}, more than \`timeoutMs\` (${timeoutMs}), which covers all attempts; make it smaller`;
  yield { path: [...path, 'retry', 'perTryTimeoutMs'], reason };
}
