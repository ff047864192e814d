import { isMeshError, MeshError, type MeshErrorCode, type MeshErrorContext } from '../base/errors.ts';
import { grpcStatusFromHttp, grpcStatusNames } from '../base/grpc-status.ts';
import type { RequestOutcome } from '../telemetry/request-span.ts';
import type { Attempt } from './attempt.ts';
import { denialRemedy, denialText } from './denied-retry.ts';
import type { Call } from './outbound.ts';
import type { Failure, Outcome } from './resilience/outcome.ts';
import type { ClusterSlot, CompiledRoute, CompiledVirtualHost } from './routing/compiled-route.ts';
import { pathOnly } from './routing/request-view.ts';
import { perTryRemedy, timeOf, timeoutRemedy } from './timeout-cause.ts';

/** An error with all that is known of the call. */
export function errorOf(call: Call, code: MeshErrorCode, message: string, more: MeshErrorContext = {}): MeshError {
  const left = call.entry === undefined ? '' : call.context.config.words.whyLeftToDns(call.entry);
  return new MeshError(code, `${message}${left}`, {
    ...more,
    attempts: call.reports ?? [],
    ...(call.cluster === undefined ? {} : { cluster: call.cluster.name }),
    ...(call.route === undefined ? {} : { route: call.route.name }),
    ...(call.entry?.virtualHost === undefined ? {} : { configVersion: call.entry.virtualHost.version }),
  });
}

/** The error of a call whose last attempt came to this: which hop, why, after how many attempts. */
export function failureOf(call: Call, attempt: Attempt, outcome: Outcome): MeshError {
  const { attempts, options } = call;
  const who = `${options.method} ${call.entry!.authority}${options.path.split('?', 1)[0]}`;
  const isNamed = attempt.host === undefined || (outcome.kind === 'failure' && outcome.reason.includes(attempt.host.address));
  const where = isNamed ? '' : ` at ${attempt.host!.address}`;
  if (outcome.kind === 'response') return errorOf(call, 'MESH_PROTOCOL_ERROR', `${who}: status ${outcome.status}${where}`);
  const denied = call.retries?.denied;
  const after = attempts > 1 ? `, after ${countOf(attempts, 'attempt')}` : '';
  const remedy = outcome.remedy ?? denialRemedy(denied) ?? perTryRemedy(call, outcome);
  return errorOf(call, outcome.code, `${who}: ${outcome.reason}${where}${after}${denialText(denied)}`, {
    cause: outcome.cause,
    ...(attempt.host === undefined ? {} : { endpoint: attempt.host.address }),
    mayHaveBeenProcessed: outcome.mayHaveBeenProcessed,
    retriesExhausted: isExhausted(call),
    ...(remedy === undefined ? {} : { remedy }),
    details: { ...outcome.details, ...(denied === undefined ? {} : { retryDenied: denied }) },
  });
}

/** The policy would have tried once more, and its attempts are used up. */
function isExhausted({ attempts, retry, retries }: Call): boolean {
  return retries?.denialFlag === 'URX' || (attempts > 1 && attempts >= (retry?.maxAttempts ?? 1));
}

/** No route of the virtual host serves the request. */
export function noRoute(call: Call, host: CompiledVirtualHost, route: CompiledRoute | undefined): MeshError {
  const why =
    route === undefined
      ? `none of the ${host.routes.length} routes of "${host.name}" matches ${call.method} ${pathOnly(call.path)}`
      : `the route "${route.name}" of "${host.name}" cannot be served: ${route.unsupported}`;
  return errorOf(call, 'MESH_NO_ROUTE', `${why}; see mesh.explain()`);
}

/** Of a route none of whose destinations has a weight. */
const noSlot: ClusterSlot = { name: '', isNamed: false, cluster: undefined };

/** The destination of the call has no cluster. */
export function noCluster(call: Call): MeshError {
  const { destination, route } = call;
  const slot = destination?.slot ?? noSlot;
  const { name } = slot;
  if (route!.clusterHeader !== undefined && destination?.slot.cluster === undefined) return unknownInHeader(call, name);
  const why =
    destination?.slot.cluster === undefined
      ? `which no control plane has delivered${call.context.config.words.whyNoCluster(call.entry!.virtualHost!.source, slot)}`
      : 'an aggregate without a member: none was delivered, or all lead back to it';
  const message = `the route "${route!.name}" sends to "${name}", ${why}; see mesh.status()`;
  return errorOf(call, 'MESH_NO_CLUSTER', message, statusWithoutCluster(route!));
}

/** The header that names the cluster is missing, or names none. Its value may be from anywhere: it is cut, and quoted. */
function unknownInHeader(call: Call, value: string): MeshError {
  const route = call.route!;
  const header = route.clusterHeader!;
  const source = call.entry!.virtualHost!.source;
  const shown = JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}…` : value);
  if (value !== '' && call.context.config.hasTooManyNames(call.destination!.slot))
    return errorOf(call, 'MESH_OVERFLOW', `too many requests wait for services that the request header "${header}" names`, {
      remedy: `Send only names of services in \`${header}\`, or name the services in the routes.`,
      details: { header, value },
    });
  const whose = `the route "${route.name}" sends to the service that the request header "${header}" names, and`;
  const why =
    value === ''
      ? 'the request has no such header'
      : `${shown} is none that ${source} has delivered${call.context.config.words.whyNoCluster(source, call.destination!.slot)}`;
  const remedy =
    value === ''
      ? `Send the header \`${header}\` with the name of a service, or add a route for requests without it.`
      : `Send the name of a service in \`${header}\`: mesh.status().clusters lists those that are known.`;
  return errorOf(call, 'MESH_NO_CLUSTER', `${whose} ${why}`, {
    ...statusWithoutCluster(route),
    remedy,
    details: { header, value },
  });
}

function statusWithoutCluster({ config: { action } }: CompiledRoute): MeshErrorContext {
  const status = 'clusterNotFoundStatus' in action ? action.clusterNotFoundStatus : undefined;
  return status === undefined ? {} : { status, grpcStatus: grpcStatusNames[grpcStatusFromHttp(status)]! };
}

/** What the end of the call's time says of an attempt that was under way. */
export function timeoutAt(attempt: Attempt): Failure {
  const { context } = attempt.call;
  return {
    kind: 'failure',
    code: 'MESH_TIMEOUT',
    mayHaveBeenProcessed: attempt.wasSent,
    localOrigin: true,
    // The queue for a connection is ours, and so is the time in which this process stood still.
    ours: attempt.isWaiting || context.loop.hasMissed(attempt.startMs, context.clock.now()),
    reason: 'the time of the whole request is over',
  };
}

/** A time of the whole call is over; without a reason the one of its policy. */
export function timeoutOf(call: Call, code: MeshErrorCode, reason: string | undefined): MeshError {
  const who = `${call.method} ${call.authority}${pathOnly(call.path)}`;
  const address = call.current?.host?.address;
  const where = address === undefined ? '' : ` at ${address}`;
  const within = reason === undefined ? `${timeOf(call)}${where}` : '';
  const what =
    reason === undefined
      ? call.winner === undefined
        ? `no response ${within}, in ${countOf(call.attempts, 'attempt')}`
        : `the response did not end ${within}`
      : `${reason}${where}`;
  const endpoint = address === undefined ? {} : { endpoint: address };
  const remedy = reason === undefined || code === 'MESH_TIMEOUT' ? timeoutRemedy(call, reason) : undefined;
  return errorOf(call, code, `${who}: ${what}`, {
    mayHaveBeenProcessed: call.wasSent,
    retriesExhausted: call.retries?.denialFlag === 'URX',
    ...(remedy === undefined ? {} : { remedy }),
    ...endpoint,
  });
}

/** Status and error of an outcome, for telemetry. */
export function resultOf(outcome: Outcome): { status: number | undefined; error: MeshErrorCode | undefined } {
  if (outcome.kind === 'failure') return { status: undefined, error: outcome.code };
  return { status: outcome.status, error: undefined };
}

/** The end of a call with an error, for telemetry. */
export function telemetryOutcome(error: Error, status: number | undefined): RequestOutcome {
  if (!isMeshError(error)) return { status, error: 'cancelled', message: error.message };
  return { status, error: error.code, flags: error.flags, details: error.responseCodeDetails, message: error.message };
}

/** `1 attempt`, `2 attempts`. */
function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
