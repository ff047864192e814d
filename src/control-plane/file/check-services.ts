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
  readonly names: readonly string[];
}

/** Checks the services of `file` for which `isSound(name)`; `names` are those of all services. */
export function serviceProblems(file: MeshFile, names: readonly string[], isSound: (name: string) => boolean): FileProblem[] {
  const sound = new Map(Object.entries(file.services).filter(([name]) => isSound(name)));
  const services: Services = { file, sound, names };
  return [
    ...domainProblems(services),
    ...[...sound].flatMap(([name, service]) => [
      ...endpointProblems(name, service),
      ...routesProblems(services, name, service),
      ...tryProblems(['services', name], service),
      ...tlsProblems(services, ['services', name, 'tls'], service.tls),
    ]),
    ...tlsProblems(services, ['defaults', 'tls'], file.defaults?.tls),
    ...tryProblems(['defaults'], file.defaults),
  ];
}

/** Two services must not have the same host: which of them would serve it? */
function domainProblems({ sound, names }: Services): FileProblem[] {
  const owners = new Map<string, string>();
  const problems: FileProblem[] = [];
  const claim = (domain: string, owner: string, path: FilePath): void => {
    const canonical = canonicalDomain(domain);
    const other = owners.get(canonical);
    if (other === undefined) owners.set(canonical, owner);
    else if (other === owner)
      problems.push({ path, reason: `the service has the host ${shown(domain)} already; remove it here` });
    else problems.push({ path, reason: `the service ${shown(other)} has the host ${shown(domain)} too; keep it in one of them` });
  };
  for (const name of names) claim(name, name, ['services', name]);
  for (const [name, { hosts }] of sound) {
    hosts?.forEach((host, index) => claim(host, name, ['services', name, 'hosts', index]));
  }
  return problems;
}

function endpointProblems(name: string, service: ServiceFile): FileProblem[] {
  const path = ['services', name];
  const { endpoints, dns, port, subsets } = service;
  if (endpoints !== undefined && dns !== undefined) {
    return [{ path: [...path, 'dns'], reason: 'the service has `endpoints` too; keep one of them', atKey: true }];
  }
  const problems: FileProblem[] = [];
  if (endpoints === undefined && dns === undefined && !routesLeadElsewhere(name, service)) {
    problems.push({
      path,
      reason: 'the service has no `endpoints` and no `dns`; add one of them, or `routes` that all lead to other services',
    });
  }
  if (subsets !== undefined && endpoints === undefined) {
    problems.push({
      path: [...path, 'subsets'],
      reason: 'subsets select by the `metadata` of `endpoints`, and the service has none; remove them',
      atKey: true,
    });
  }
  const seen = new Map<string, number>();
  endpoints?.forEach((endpoint, index) => {
    const isText = typeof endpoint === 'string';
    const text = isText ? endpoint : endpoint.address;
    const at = [...path, 'endpoints', index, ...(isText ? [] : ['address'])];
    const address = parseAddress(text)!;
    const endpointPort = address.port ?? port;
    if (endpointPort === undefined)
      problems.push({ path: at, reason: `found ${shown(text)}; expected a port too, here or as \`port\` of the service` });
    const key = `${address.host.toLowerCase()} ${endpointPort}`;
    if (seen.has(key))
      problems.push({
        path: at,
        reason: `the same address as endpoints[${seen.get(key)}]; give that one a larger \`weight\` instead`,
      });
    else seen.set(key, index);
  });
  return problems;
}

/** Whether no request of the service needs endpoints of its own. */
function routesLeadElsewhere(name: string, { routes }: ServiceFile): boolean {
  return routes?.every(({ to }) => to?.every(({ service }) => service !== undefined && service !== name)) ?? false;
}

function routesProblems(services: Services, name: string, { routes = [] }: ServiceFile): FileProblem[] {
  const problems: FileProblem[] = [];
  const names = new Map<string, number>();
  routes.forEach((route, index) => {
    const path = ['services', name, 'routes', index];
    if (route.name !== undefined) {
      const other = names.get(route.name);
      if (other !== undefined)
        problems.push({
          path: [...path, 'name'],
          reason: `routes[${other}] has the name ${shown(route.name)} too; errors must tell them apart`,
        });
      else names.set(route.name, index);
    }
    problems.push(
      ...headerProblems(path, route),
      ...destinationProblems(services, name, path, route),
      ...tryProblems(path, route),
    );
  });
  return problems;
}

function headerProblems(path: FilePath, { match }: RouteFile): FileProblem[] {
  const seen = new Set<string>();
  return Object.keys(match?.headers ?? {}).flatMap((header) => {
    const lower = header.toLowerCase();
    if (seen.has(lower))
      return [
        {
          path: [...path, 'match', 'headers', header],
          reason: 'the header is there twice, in another case; keep one of them',
          atKey: true,
        },
      ];
    seen.add(lower);
    return [];
  });
}

function destinationProblems({ sound, names }: Services, own: string, path: FilePath, { to = [] }: RouteFile): FileProblem[] {
  const problems: FileProblem[] = [];
  const sum = to.reduce((total, { weight }) => total + weight, 0);
  if (to.length > 0 && sum === 0)
    problems.push({ path: [...path, 'to'], reason: 'all weights are 0; give one destination a weight of at least 1' });
  if (sum > maxWeight)
    problems.push({ path: [...path, 'to'], reason: `the weights add up to ${sum}; expected at most ${maxWeight}` });
  to.forEach(({ service = own, subset }, index) => {
    const at = [...path, 'to', index];
    if (!names.includes(service)) {
      problems.push({
        path: [...at, 'service'],
        reason: `found ${shown(service)}; expected the name of a service; ${suggestion(service, names)}`,
      });
      return;
    }
    const target = sound.get(service);
    if (target === undefined) return;
    const subsets = Object.keys(target.subsets ?? {});
    if (subset !== undefined && !subsets.includes(subset)) {
      problems.push({
        path: [...at, 'subset'],
        reason: `found ${shown(subset)}; expected the name of a subset of ${shown(service)}; ${suggestion(subset, subsets)}`,
      });
    }
    if (target.endpoints === undefined && target.dns === undefined && (service !== own || routesLeadElsewhere(own, target))) {
      problems.push({
        path: at,
        reason: `the service ${shown(service)} has no endpoints of its own; name one that has \`endpoints\` or \`dns\``,
      });
    }
  });
  return problems;
}

function tlsProblems({ file }: Services, path: FilePath, tls: ServiceFile['tls']): FileProblem[] {
  if (tls?.mode !== 'mutual' || file.identity?.certificate !== undefined) return [];
  return [
    {
      path: [...path, 'mode'],
      reason: '`mutual` needs a certificate to show; add `identity: { certificate, privateKey, trustBundle }`, or use `simple`',
    },
  ];
}

/** A limit of one attempt that is longer than that of all attempts. Where the two are written apart it is only reported as without effect. */
function tryProblems(path: FilePath, policy: Pick<RouteFile, 'timeoutMs' | 'retry'> | undefined): FileProblem[] {
  const { timeoutMs = 0, retry } = policy ?? {};
  if (timeoutMs === 0 || !((retry?.perTryTimeoutMs ?? 0) > timeoutMs)) return [];
  const reason = `found ${retry?.perTryTimeoutMs}, more than \`timeoutMs\` (${timeoutMs}), which covers all attempts; make it smaller`;
  return [{ path: [...path, 'retry', 'perTryTimeoutMs'], reason }];
}
