/** Where the endpoints of a cluster come from (`Cluster.type`, `Cluster.cluster_type`). */
import { isIP } from 'node:net';
import type { Discovery, EndpointConfig, EndpointsConfig, LocalityEndpoints } from '../../../model/cluster.ts';
import type { Message } from './message.ts';
import type { TypedMessage } from './typed-message.ts';

const types = ['STATIC', 'STRICT_DNS', 'LOGICAL_DNS', 'EDS', 'ORIGINAL_DST'] as const;

/** What stands in the `load_assignment` of the cluster itself. */
type OwnEndpoints = Omit<EndpointsConfig, 'name'>;

/** Of the resolver of names: ours is that of the system, by its own rules. */
const resolverFields = [
  'dns_failure_refresh_rate',
  'dns_min_refresh_rate',
  'dns_jitter',
  'dns_resolvers',
  'use_tcp_for_dns_lookups',
  'dns_resolution_config',
  'typed_dns_resolver_config',
  'respect_dns_ttl',
] as const;

/** Reads where the endpoints of the cluster `name` come from. */
export function discoveryFrom(message: Message, name: string, endpoints: OwnEndpoints): Discovery {
  const { localities } = endpoints;
  const kind = message.oneOf('type', 'cluster_type');
  if (kind === 'cluster_type') {
    const custom = message.message(kind);
    const typeName = custom?.text('name') ?? '';
    return customDiscovery(message, typeName, custom?.any('typed_config'), endpoints);
  }
  switch (message.choice('type', types) ?? 'STATIC') {
    case 'STATIC':
      for (const { address } of localities.flatMap(({ endpoints }) => endpoints)) {
        if (isIP(address) === 0 && !address.startsWith('/'))
          message.problem(
            'load_assignment',
            `${JSON.stringify(address)} is no IP address; a STATIC cluster has no names, a STRICT_DNS one has`,
          );
      }
      return { kind: 'static', ...endpoints };
    case 'STRICT_DNS':
      return namesFrom(message, endpoints, 'all', message);
    case 'LOGICAL_DNS':
      return namesFrom(message, endpoints, 'one', message);
    case 'EDS':
      return deliveredFrom(message, name, localities);
    default: {
      const original = message.message('original_dst_lb_config');
      original?.skip('http_header_name', 'upstream_port_override', 'metadata_key');
      if (original?.flag('use_http_header') === true)
        original.note('use_http_header', 'a header cannot say where a request goes: the host that was asked for does');
      message.skip('cleanup_interval', 'dns_lookup_family', 'dns_refresh_rate', ...resolverFields);
      return { kind: 'original-destination' };
    }
  }
}

function deliveredFrom(message: Message, name: string, localities: OwnEndpoints['localities']): Discovery {
  const eds = message.message('eds_cluster_config');
  eds?.skip('eds_config');
  if (localities.length > 0) message.note('load_assignment', 'an EDS cluster gets its endpoints from the control plane');
  return { kind: 'endpoints', name: eds?.name('service_name') ?? name };
}

function customDiscovery(message: Message, name: string, config: TypedMessage | undefined, endpoints: OwnEndpoints): Discovery {
  const what = `${name} ${config?.type ?? ''}`;
  if (/aggregate/.test(what)) return { kind: 'aggregate', clusters: config?.message.texts('clusters') ?? [] };
  if (/clusters?\.dns/.test(what) && config !== undefined) {
    const asOne = config.message.flag('all_addresses_in_single_endpoint') === true;
    return namesFrom(message, endpoints, asOne ? 'one' : 'all', config.message);
  }
  if (/strict_dns/.test(what)) return namesFrom(message, endpoints, 'all', message);
  if (/logical_dns/.test(what)) return namesFrom(message, endpoints, 'one', message);
  if (/original_dst/.test(what)) return { kind: 'original-destination' };
  if (/clusters?\.static/.test(what)) return { kind: 'static', ...endpoints };
  if (/clusters?\.eds/.test(what)) return deliveredFrom(message, message.text('name') ?? '', endpoints.localities);
  if (/dynamic_forward_proxy/.test(what)) {
    config?.message.markRead();
    return { kind: 'original-destination' };
  }
  message.problem('cluster_type', `there are no clusters of the kind ${name} here`);
  config?.message.markRead();
  return { kind: 'static', localities: [] };
}

const families = ['AUTO', 'V4_ONLY', 'V6_ONLY', 'V4_PREFERRED', 'ALL'] as const;
const familyNames: Readonly<Record<string, 'ipv4' | 'ipv6'>> = { V4_ONLY: 'ipv4', V6_ONLY: 'ipv6' };

/** Names that are resolved. `options` is where the DNS settings stand: the cluster, or the configuration of its type. */
function namesFrom(message: Message, own: OwnEndpoints, use: 'all' | 'one', options: Message): Discovery {
  options.skip(...resolverFields);
  const { localities, drops } = own;
  const endpoints = localities.flatMap((locality) => locality.endpoints);
  const family = familyNames[options.choice('dns_lookup_family', families) ?? 'AUTO'];
  const byTtl = options.flag('respect_dns_ttl') === true;
  // With the TTL it is for answers that have none.
  const writtenMs = options.durationMs('dns_refresh_rate');
  const refreshMs = byTtl ? undefined : writtenMs;
  const [only] = endpoints;
  if (use === 'one' && endpoints.length !== 1)
    message.problem('load_assignment', 'a LOGICAL_DNS cluster has exactly one endpoint');
  // One endpoint leaves nothing to provision over.
  if (only !== undefined && endpoints.length === 1 && isPlain(only, localities[0]!)) {
    const { metadata } = only;
    if (drops !== undefined)
      message.note('load_assignment', 'drop_overloads: nothing is dropped of what goes to the addresses of one name');
    return {
      kind: 'dns',
      hostname: only.address,
      port: only.port,
      use,
      ...(family !== undefined && { family }),
      ...(refreshMs !== undefined && { refreshMs }),
      ...(metadata !== undefined && { metadata }),
    };
  }
  // Several names, or names with weights: each endpoint stands for all addresses of its name.
  if (family !== undefined)
    options.note('dns_lookup_family', 'addresses of both families are used where a cluster has several names');
  if (refreshMs !== undefined)
    options.note('dns_refresh_rate', 'names are resolved anew by their TTL where a cluster has several');
  return { kind: 'static', ...own };
}

/** Whether nothing is said of the endpoint but its name and what it is labelled with. Alone, it weighs whatever it weighs. */
function isPlain(endpoint: EndpointConfig, { locality, priority }: LocalityEndpoints): boolean {
  const { address: _address, port: _port, weight: _weight, metadata: _metadata, ...more } = endpoint;
  return Object.keys(more).length === 0 && Object.keys(locality).length === 0 && priority === 0;
}
