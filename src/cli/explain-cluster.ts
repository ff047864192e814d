/** What `meshfetch explain` says of the policies of a cluster, a line each. */
import { hashingPolicies } from '../control-plane/file/schema-load-balancing.ts';
import type { DestinationView, Explanation } from '../admin/explain.ts';

type Policies = NonNullable<DestinationView['policies']>;
type Hash = Explanation['hash'];

/** How the endpoints are balanced, secured, limited and watched. */
export function* clusterLines(policies: Policies, hash: Hash): Generator<string> {
  const { loadBalancing, locality, slowStart, healthChecks = [], protocol, tls } = policies;
  const by = hash === undefined || !isHashing(loadBalancing) ? '' : ` by ${hash.map(hashWords).join(', ')}`;
  yield `balanced: ${loadBalancing.policy}${optionWords(loadBalancing.options)}${by}`;
  if (locality !== undefined && (locality.mode !== 'none' || locality.failTrafficOnPanic === true))
    yield `localities: ${optionList(locality)}`;
  if (slowStart !== undefined) yield `slow start: ${optionList(slowStart)}`;
  const wire = protocol === undefined || protocol === 'auto' ? '' : `, ${protocol}`;
  yield `TLS: ${tls === undefined ? 'as the URL says' : tlsWords(tls)}${wire}`;
  for (const key of ['limits', 'circuitBreaker', 'outlierDetection'] as const)
    if (policies[key] !== undefined) yield `${words[key]}: ${optionList(policies[key])}`;
  for (const check of healthChecks) yield `checked: ${checkWords(check)}`;
}

const words = { limits: 'limits', circuitBreaker: 'breaker', outlierDetection: 'ejection' } as const;

/** Whether the policy that chooses in the end is one that hashes. */
function isHashing({ policy, options }: Policies['loadBalancing']): boolean {
  const child = options?.['child'];
  return typeof child === 'object' && child !== null
    ? isHashing(child as Policies['loadBalancing'])
    : hashingPolicies.includes(policy);
}

function checkWords({ kind, path = '', service = '', intervalMs, port }: NonNullable<Policies['healthChecks']>[number]): string {
  const what = [kind, path, service, port === undefined ? '' : `port ${port}`].filter((word) => word !== '').join(' ');
  return `${what} every ${intervalMs} ms`;
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
    .map(([key, value]) => {
      if (Array.isArray(value)) return `${key} ${value.join(' ')}`;
      if (typeof value !== 'object' || value === null) return `${key} ${value}`;
      return Object.keys(value).length === 0 ? key : `${key} (${optionList(value as object)})`;
    })
    .join(', ');
}
