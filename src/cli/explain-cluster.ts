/** What `meshfetch explain` says of the policies of a cluster, a line each. */
import { hashingPolicies } from '../control-plane/file/schema-load-balancing.ts';
import type { DestinationView, Explanation } from '../admin/explain.ts';

type Policies = NonNullable<DestinationView['policies']>;
type Hash = Explanation['hash'];

/** How the endpoints are balanced, secured, limited and watched. */
export function* clusterLines(
  { loadBalancing, protocol, tls, limits, circuitBreaker, outlierDetection }: Policies,
  hash: Hash,
): Generator<string> {
  const by = hash === undefined || !hashingPolicies.includes(loadBalancing.policy) ? '' : ` by ${hash.map(hashWords).join(', ')}`;
  yield `balanced: ${loadBalancing.policy}${optionWords(loadBalancing.options)}${by}`;
  const wire = protocol === undefined || protocol === 'auto' ? '' : `, ${protocol}`;
  yield `TLS: ${tls === undefined ? 'as the URL says' : tlsWords(tls)}${wire}`;
  if (limits !== undefined) yield `limits: ${optionList(limits)}`;
  if (circuitBreaker !== undefined) yield `breaker: ${optionList(circuitBreaker)}`;
  if (outlierDetection !== undefined) yield `ejection: ${optionList(outlierDetection)}`;
}

function hashWords(policy: NonNullable<Hash>[number]): string {
  if ('name' in policy) return `${policy.kind} ${policy.name}`;
  return policy.kind === 'channel' ? 'process' : 'source address';
}

function tlsWords(tls: NonNullable<Policies['tls']>): string {
  if (tls.mode === 'disabled') return tls.mode;
  const { mode, sni, peers } = tls;
  const expects = peers.length === 0 ? '' : `, the certificate names ${peers.map(({ value }) => value).join(' or ')}`;
  return `${mode}${sni === undefined ? '' : `, sni ${sni}`}${expects}`;
}

function optionWords(options: object | undefined): string {
  return options === undefined ? '' : ` (${optionList(options)})`;
}

/** `maxRequests 5, adaptive (algorithm vegas)`. */
function optionList(options: object): string {
  return Object.entries(options)
    .map(([key, value]) =>
      typeof value === 'object' && value !== null ? `${key} (${optionList(value as object)})` : `${key} ${value}`,
    )
    .join(', ');
}
