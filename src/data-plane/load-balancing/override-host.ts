/**
 * The request names its endpoints itself, in a header: `x-gateway-destination-endpoint: 192.0.2.1:8080,192.0.2.2:8080`. The first one
 * serves, each further attempt takes the next; endpoints that are not of the cluster (or subset), or may not be used, are passed over,
 * and with none left the policy inside decides. Source: Envoy `override_host`; the header is that of the Gateway API's inference
 * extension, whose endpoint picker knows which model server has the fitting cache.
 *
 * What it adds to session affinity: addresses in plain text, several of them, chosen by whoever sends the request. Looking them up is
 * the cluster's (pick-host.ts), since an endpoint may be of another priority than the one that is balanced over.
 *
 * Differences to Envoy: an endpoint that is ejected or fails its health checks is passed over (Envoy sends to it); metadata of the
 * request is no source, since the requests of a client have none.
 */
import { MeshError } from '../../base/errors.ts';
import type { LoadBalancingPolicy } from '../../model/contracts.ts';
import { childField, childOption, type ChildPolicy, type PolicyTable } from './child-policy.ts';
import { refuseUnknownOptions } from './policy-options.ts';

/** The policy's options with their defaults. */
export interface OverrideHostOptions {
  readonly headers: readonly string[];
  readonly child: ChildPolicy;
}

const defaultHeader = 'x-gateway-destination-endpoint';

/** The policy, around one of `inner`. */
export function overrideHostOver(inner: PolicyTable): LoadBalancingPolicy<OverrideHostOptions> {
  return {
    name: 'override-host',
    doc: 'The endpoint that a header of the request names; where it names none that may be used, the policy inside decides.',
    options: {
      parse(given, path) {
        refuseUnknownOptions(given, ['headers', 'child'], path);
        return { headers: headersOption(given?.['headers'], `${path}.headers`), child: childOption(given, path, inner) };
      },
      fields: [
        {
          name: 'headers',
          type: 'list of names',
          default: `\`${defaultHeader}\` (Gateway API inference extension)`,
          doc: 'Headers that are asked in this order. Each has addresses with their ports, with commas between.',
        },
        childField,
      ],
    },
    build: (hosts, { child }, random, previous) => child.policy.build(hosts, child.options, random, previous),
    observe: ({ child }, host) => child.policy.observe?.(child.options, host),
    isHashing: ({ child }) => child.policy.isHashing?.(child.options) === true,
    overrideHeaders: ({ headers }) => headers,
  };
}

function headersOption(value: unknown, path: string): readonly string[] {
  if (value === undefined) return [defaultHeader];
  const isList = Array.isArray(value) && value.length > 0;
  if (isList && value.every((name) => typeof name === 'string' && /^[!#$%&'*+.^_`|~\w-]+$/.test(name)))
    return (value as readonly string[]).map((name) => name.toLowerCase());
  throw new MeshError('MESH_CONFIG_INVALID', `${path} is ${JSON.stringify(value)}; it must be a list of names of headers`);
}
