import { MeshError } from '../../base/errors.ts';
import type { Attempted, LookupOutcome } from './lookup.ts';

/** What the codes of c-ares mean to a reader. */
const words: Readonly<Record<string, string>> = {
  ENOTFOUND: 'no such name',
  ENODATA: 'no such record',
  ESERVFAIL: 'the name server failed (SERVFAIL)',
  EREFUSED: 'the name server refused the question (REFUSED)',
  ETIMEOUT: 'no answer in time',
  ECONNREFUSED: 'nothing listens at the address of the name server',
  EBADRESP: 'the answer could not be read',
  EBADNAME: 'not a name that DNS can hold',
  ECANCELLED: 'cancelled',
};

/** The error of a question that has no answer: the name, everything that was tried, what came back, and what to do. */
export function resolutionFailure(
  hostname: string,
  outcome: Exclude<LookupOutcome, { kind: 'found' }>,
  tried: readonly Attempted[],
  servers: readonly string[],
): MeshError {
  const trail = tried.map(({ name, type, result }) => `${name} ${type}: ${words[result] ?? result}`).join('; ');
  const asked = tried.length === 0 ? '' : ` Tried ${trail}; asked ${servers.join(', ')}.`;
  const details = { hostname, tried, servers };
  if (outcome.kind === 'refused') {
    return new MeshError(
      'MESH_DNS_FAILED',
      `"${hostname}" leads only to addresses that a name server must not send a request to: ${outcome.refused.join(', ')}. ` +
        `Write the address itself, or put the name into the hosts file.`,
      { details: { ...details, refused: outcome.refused } },
    );
  }
  const verdict = words[outcome.code] ?? outcome.code;
  const remedy =
    outcome.kind === 'none'
      ? 'Check the name; in Kubernetes the full one is service.namespace.svc.cluster.local.'
      : 'Check that the name server can be reached from this process and is well.';
  return new MeshError('MESH_DNS_FAILED', `"${hostname}" could not be resolved: ${verdict}.${asked} ${remedy}`, {
    details,
    ...(outcome.kind === 'failed' && outcome.cause !== undefined ? { cause: outcome.cause } : {}),
  });
}

/** The error of a name that no name server could be asked for. */
export function badName(hostname: string, why: string): MeshError {
  return new MeshError('MESH_DNS_FAILED', `"${hostname.slice(0, 300)}" cannot be resolved: ${why}.`, { details: { hostname } });
}

/** The error of all that waits when the resolver is closed. */
export function resolverClosed(hostname: string): MeshError {
  return new MeshError('MESH_CLOSED', `"${hostname}" was not resolved: the resolver was closed with its mesh.`);
}
