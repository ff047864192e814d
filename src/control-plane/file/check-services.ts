/**
 * What the keys of a file must agree on between them: names that must exist, hosts that only one service may have, ports that must
 * come from somewhere. Keys with a mistake of their own are left out (sound-services.ts); the others are checked all the same, so that
 * one start shows all mistakes.
 */
import { bracketed, canonicalDomain, parseAddress } from './address.ts';
import { defaultFallbackProblems, fallbackProblems } from './check-fallbacks.ts';
import { modeProblems, placeProblems } from './check-localities.ts';
import { headersTwice, routesLeadElsewhere, routesProblems, tryProblems, type Services } from './check-routes.ts';
import { shown, type FilePath, type FileProblem } from './file-problem.ts';
import type { MeshFile, ServiceFile } from './schema.ts';
import type { SoundService } from './sound-services.ts';

/**
 * Checks the services of `file` as far as they are sound; `names` are those of all services. The problems are looked for one by one,
 * as they are taken: a file with thousands of them is not checked to its end.
 */
export function* serviceProblems(
  file: MeshFile,
  names: readonly string[],
  sound: ReadonlyMap<string, SoundService>,
): Generator<FileProblem> {
  const services: Services = { file, sound, names: new Set(names) };
  yield* domainProblems(services);
  for (const [name, { service, isWhole }] of sound) {
    if (isWhole) {
      yield* endpointProblems(name, service);
      yield* subsetProblems(name, service);
      yield* placeProblems(['services', name], service);
    }
    yield* modeProblems(['services', name, 'localities'], service.localities);
    yield* fallbackProblems(services, name, service);
    yield* routesProblems(services, name, service);
    yield* tryProblems(['services', name], service);
    yield* headersTwice(['services', name], service);
    yield* tlsProblems(services, ['services', name, 'tls'], service.tls);
  }
  yield* modeProblems(['defaults', 'localities'], file.defaults?.localities);
  yield* defaultFallbackProblems(services);
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
  for (const [name, { service }] of sound) {
    for (const [index, host] of (service.hosts ?? []).entries()) {
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
      reason:
        'the service has no `endpoints` and no `dns`; add one of them, or `routes` that all lead to other services, redirect or respond',
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
    if (endpointPort === undefined) {
      const meant = bracketed(text);
      const hint = meant === undefined ? '' : `; did you mean ${shown(meant)}?`;
      yield { path: at, reason: `found ${shown(text)}; expected a port too, here or as \`port\` of the service${hint}` };
    }
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

function* tlsProblems({ file }: Services, path: FilePath, tls: ServiceFile['tls']): Generator<FileProblem> {
  if (tls?.mode !== 'mutual' || tls.identity !== undefined || file.identity?.certificate !== undefined) return;
  yield {
    path: [...path, 'mode'],
    reason:
      '`mutual` needs a certificate to show; add `identity: { certificate, privateKey, trustBundle }`, name one by `tls.identity`, or use `simple`',
  };
}
