/** Keys that are written and that other keys leave without effect. No mistakes: the file is taken, and `mesh.status()` shows them. */
import type { Problem } from '../../model/contracts.ts';
import type { ResourceKey } from '../../model/snapshot.ts';
import { covers } from './covered-match.ts';
import { detectionWithoutEffect, nothingLookedFor } from './detection-without-effect.ts';
import { endpointsWithoutEffect } from './endpoints-without-effect.ts';
import type { DefaultsFile, MeshFile, RouteFile, ServiceFile } from './schema.ts';
import { hashingPolicies, innermostPolicy } from './schema-load-balancing.ts';
import { cutTimes } from './time-bounds.ts';
import { portIsUsed } from './translate-cluster.ts';

type Report = (path: string, reason: string) => void;

/** What of the file has no effect, or not the one that it seems to have, by its path; `fileKey` has what is of no service. */
export function withoutEffect(file: MeshFile, fileKey: ResourceKey): Problem[] {
  const problems: Problem[] = [];
  const hashed = hashedServices(file);
  const undetected = nothingLookedFor(file.defaults.outlierDetection);
  if (undetected !== undefined) problems.push({ key: fileKey, path: 'defaults.outlierDetection', reason: undetected });
  for (const [name, service] of Object.entries(file.services)) {
    const key: ResourceKey = { kind: 'cluster', name };
    ofService(file, name, service, hashed, (path, reason) => problems.push({ key, path: `services.${name}${path}`, reason }));
  }
  return problems;
}

function ofService(file: MeshFile, name: string, service: ServiceFile, hashed: HashedServices, report: Report): void {
  if (service.port !== undefined && !portIsUsed(service)) report('.port', 'every address names its own port');
  const policies = { ...file.defaults, ...service };
  endpointsWithoutEffect(service, policies, report);
  detectionWithoutEffect(service, report);
  const { routes = [] } = service;
  routes.forEach((route, index) => {
    const path = `.routes[${index}]`;
    const { match = {} } = route;
    const outer = routes.slice(0, index).findIndex((earlier) => covers(earlier.match ?? {}, match));
    if (outer !== -1) {
      const all = Object.keys(routes[outer]!.match ?? {}).length === 0 ? 'every request' : 'every request that this one matches';
      report(path, `never reached: routes[${outer}] takes ${all}`);
      return;
    }
    if ((route.redirect ?? route.respond) === undefined)
      attemptsWithoutEffect({ ...policies, ...route }, (reason) => report(path, reason));
    if (route.hash !== undefined) hashWithoutEffect(file, name, [route], (reason) => report(`${path}.hash`, reason));
    slashes(route, (at, reason) => report(`${path}${at}`, reason));
  });
  if (routes.length === 0) attemptsWithoutEffect(policies, (reason) => report('', reason));
  if (service.hash !== undefined && routes.every(({ hash }) => hash === undefined))
    hashWithoutEffect(file, name, routes, (reason) => report('.hash', reason));
  const policy = innermostPolicy(policies.loadBalancing);
  const hasEndpoints = service.endpoints !== undefined || service.dns !== undefined;
  if (hasEndpoints && hashingPolicies.includes(policy) && hashed !== 'all' && !hashed.has(name))
    report(
      service.loadBalancing === undefined ? '' : '.loadBalancing',
      `${policy} places requests by \`hash\`, and no route that leads here has one: they go by chance`,
    );
}

type Attempts = Pick<DefaultsFile, 'timeoutMs' | 'retry'> & ServiceFile & Pick<RouteFile, 'match'>;

function attemptsWithoutEffect(policies: Attempts, report: (reason: string) => void): void {
  const { timeoutMs, retry, hedge, overrideHeaders, match } = policies;
  // Envoy ignores a limit of one attempt that is longer than that of all of them; so does this mesh.
  for (const { path, value } of cutTimes(policies, timeoutMs))
    report(`${path.join('.')} (${value}) is longer than timeoutMs (${timeoutMs}), which covers the whole request`);
  // A header of the request may set one.
  const hasTryTimeout = (retry.perTryTimeoutMs ?? retry.perTryIdleTimeoutMs ?? overrideHeaders) !== undefined;
  if (hedge?.onPerTryTimeout === true && !hasTryTimeout)
    report('hedge.onPerTryTimeout: there is no retry.perTryTimeoutMs, so that none passes');
  else if (hedge?.onPerTryTimeout === true && retry.maxAttempts === 1 && overrideHeaders === undefined)
    report('hedge.onPerTryTimeout: `retry.maxAttempts` is 1, so that none starts beside the one that takes its time');
  if (hedge !== undefined && match?.grpc === true && !mayRepeat(hedge, retry))
    report(
      'hedge: every gRPC request is a POST; without `hedge.nonFatalStatuses` or `retry.nonIdempotent: as-configured` only those with an `idempotency-key` are sent twice',
    );
  if (retry.on.includes('per-try-timeout') && !hasTryTimeout)
    report('retry.on: per-try-timeout: there is no retry.perTryTimeoutMs, so that none passes');
  if (hedge?.nonFatalStatuses !== undefined && retry.nonIdempotent === 'never')
    report(
      'hedge.nonFatalStatuses: every gRPC request is a POST, which `retry.nonIdempotent: never` keeps from being sent twice',
    );
}

/** Whether requests that are not idempotent are hedged (data-plane/resilience/hedge.ts). One that is forbidden has a report of its own. */
function mayRepeat(hedge: NonNullable<ServiceFile['hedge']>, { nonIdempotent }: Attempts['retry']): boolean {
  return hedge.nonFatalStatuses !== undefined || nonIdempotent === 'as-configured';
}

/**
 * What is behind the text of `prefix` stays as it is: its slash is doubled or lost where only one of the two prefixes ends with one.
 * `segmentPrefix` minds the slash itself.
 */
function slashes({ match, rewrite, redirect }: RouteFile, report: Report): void {
  const before = match?.path?.prefix;
  for (const [key, path] of [['rewrite', rewrite?.path] as const, ['redirect', redirect?.path] as const]) {
    const after = path?.prefix;
    if (before === undefined || after === undefined || before.endsWith('/') === after.endsWith('/')) continue;
    const rest = before.endsWith('/') ? 'x' : '/x';
    report(
      `.${key}.path.prefix`,
      `the path ${before}${rest} becomes ${after}${rest}; match by \`segmentPrefix\`, or let both end with / or neither`,
    );
  }
}

/** A hash places requests only where the policy of a service that they go to is one that hashes. */
function hashWithoutEffect(file: MeshFile, name: string, routes: readonly RouteFile[], report: (reason: string) => void): void {
  const targets = new Set(routes.length === 0 ? [name] : routes.flatMap((route) => targetsOf(name, route)));
  const policies = [...targets].map((target) =>
    innermostPolicy(file.services[target]?.loadBalancing ?? file.defaults.loadBalancing),
  );
  if (
    policies.some((policy) => hashingPolicies.includes(policy)) ||
    routes.some(({ serviceHeader }) => serviceHeader !== undefined)
  )
    return;
  report(`loadBalancing.policy (${policies[0] ?? 'none'}) does not hash; use ${hashingPolicies.join(' or ')}`);
}

/** The services that requests with a hash are sent to; all of them where a header names the service. */
type HashedServices = ReadonlySet<string> | 'all';

function hashedServices({ services }: MeshFile): HashedServices {
  const names = new Set<string>();
  for (const [name, service] of Object.entries(services)) {
    for (const route of service.routes ?? [{}]) {
      if ((route.hash ?? service.hash) === undefined) continue;
      if (route.serviceHeader !== undefined) return 'all';
      for (const target of targetsOf(name, route)) names.add(target);
    }
  }
  return names;
}

function targetsOf(name: string, { to, redirect, respond }: RouteFile): string[] {
  if (redirect !== undefined || respond !== undefined) return [];
  return to?.map(({ service = name }) => service) ?? [name];
}
