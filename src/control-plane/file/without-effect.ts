/** Keys that are written and that other keys leave without effect. No mistakes: the file is taken, and `mesh.status()` shows them. */
import type { Problem } from '../../model/contracts.ts';
import type { ResourceKey } from '../../model/snapshot.ts';
import type { DefaultsFile, MeshFile, RouteFile, ServiceFile } from './schema.ts';
import { hashingPolicies } from './schema-load-balancing.ts';
import { portIsUsed } from './translate-cluster.ts';

/** What of a service has no effect, by its path in the file. */
export function withoutEffect(file: MeshFile, name: string, service: ServiceFile): Problem[] {
  const problems: Problem[] = [];
  const report = (path: string, reason: string): void => {
    const key: ResourceKey = { kind: 'cluster', name };
    problems.push({ key, path: `services.${name}${path}`, reason });
  };
  if (service.port !== undefined && !portIsUsed(service)) report('.port', 'every address names its own port');
  const policies = { ...file.defaults, ...service };
  const { routes = [] } = service;
  const last = routes.findIndex(matchesEverything);
  routes.forEach((route, index) => {
    const path = `.routes[${index}]`;
    if (last !== -1 && index > last) report(path, `never reached: routes[${last}] takes every request`);
    else {
      attemptsWithoutEffect({ ...policies, ...route }, (reason) => report(path, reason));
      if (route.hash !== undefined) hashWithoutEffect(file, name, [route], (reason) => report(`${path}.hash`, reason));
    }
  });
  if (routes.length === 0) attemptsWithoutEffect(policies, (reason) => report('', reason));
  if (service.hash !== undefined && routes.every(({ hash }) => hash === undefined))
    hashWithoutEffect(file, name, routes, (reason) => report('.hash', reason));
  return problems;
}

function matchesEverything({ match }: RouteFile): boolean {
  return match === undefined || Object.keys(match).length === 0;
}

type Attempts = Pick<DefaultsFile, 'timeoutMs' | 'retry'> & Pick<ServiceFile, 'hedge'>;

function attemptsWithoutEffect({ timeoutMs, retry, hedge }: Attempts, report: (reason: string) => void): void {
  const { perTryTimeoutMs = 0 } = retry;
  // Envoy ignores a limit of one attempt that is longer than that of all of them; so does this mesh.
  if (timeoutMs !== 0 && perTryTimeoutMs > timeoutMs)
    report(`perTryTimeoutMs (${perTryTimeoutMs}) is longer than timeoutMs (${timeoutMs}), which covers all attempts`);
  if (hedge?.onPerTryTimeout === true && perTryTimeoutMs === 0)
    report('hedge.onPerTryTimeout: there is no retry.perTryTimeoutMs, so that none passes');
  if (hedge?.nonFatalStatuses !== undefined && retry.nonIdempotent === 'never')
    report(
      'hedge.nonFatalStatuses: every gRPC request is a POST, which `retry.nonIdempotent: never` keeps from being sent twice',
    );
}

/** A hash places requests only where the policy of a service that they go to is one that hashes. */
function hashWithoutEffect(file: MeshFile, name: string, routes: readonly RouteFile[], report: (reason: string) => void): void {
  const targets = new Set(routes.length === 0 ? [name] : routes.flatMap((route) => targetsOf(name, route)));
  const policies = [...targets].map((target) => (file.services[target]?.loadBalancing ?? file.defaults.loadBalancing).policy);
  if (
    policies.some((policy) => hashingPolicies.includes(policy)) ||
    routes.some(({ serviceHeader }) => serviceHeader !== undefined)
  )
    return;
  report(`loadBalancing.policy (${policies[0] ?? 'none'}) does not hash; use ${hashingPolicies.join(' or ')}`);
}

function targetsOf(name: string, { to, redirect, respond }: RouteFile): string[] {
  if (redirect !== undefined || respond !== undefined) return [];
  return to?.map(({ service = name }) => service) ?? [name];
}
