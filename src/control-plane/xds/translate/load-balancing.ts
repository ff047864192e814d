/** How a cluster is balanced: `lb_policy` with its options, and the newer `load_balancing_policy`. */
import type { LoadBalancingConfig, LocalityConfig } from '../../../model/cluster.ts';
import type { SlowStartConfig } from '../../../model/health.ts';
import { overrideHost, peakEwma, pickFirst, reportedWeights, subsetting, withOptions } from './balancing-extensions.ts';
import { noteCommon } from './balancing-leftovers.ts';
import type { Message } from './message.ts';
import type { TypedMessage } from './typed-message.ts';
import { percentFrom } from './string-matcher.ts';
import { subsetSelectorsFrom, type SubsetSelectors } from './subset-selectors.ts';

/** What a policy of Envoy says at once. */
export interface Balancing {
  readonly loadBalancing: LoadBalancingConfig;
  readonly slowStart?: SlowStartConfig | undefined;
  readonly locality?: Partial<LocalityConfig> | undefined;
  readonly subsets?: SubsetSelectors | undefined;
}

const policies = [
  'ROUND_ROBIN',
  'LEAST_REQUEST',
  'RING_HASH',
  'RANDOM',
  undefined,
  'MAGLEV',
  'CLUSTER_PROVIDED',
  'LOAD_BALANCING_POLICY_CONFIG',
] as const;

/** Reads the balancing of a cluster. */
export function balancingFrom(message: Message): Balancing {
  const named = message.choice('lb_policy', policies) ?? 'ROUND_ROBIN';
  const common = message.message('common_lb_config');
  const locality = common && localityFrom(common);
  if (common !== undefined) noteCommon(common);
  const subsets = subsetSelectorsFrom(message.message('lb_subset_config'));
  const config = message.message('load_balancing_policy');
  if (config !== undefined) {
    const chosen = firstKnown(config);
    return { ...chosen, locality: { ...locality, ...chosen.locality }, subsets: chosen.subsets ?? subsets };
  }
  if (named === 'LOAD_BALANCING_POLICY_CONFIG') message.problem('load_balancing_policy', 'must be there with this lb_policy');
  const hashing = common?.message('consistent_hashing_lb_config');
  const chosen = namedPolicy(message, named, hashing);
  return { ...chosen, locality, subsets };
}

function namedPolicy(message: Message, named: (typeof policies)[number], hashing: Message | undefined): Balancing {
  switch (named) {
    case 'LEAST_REQUEST':
      return leastRequest(message.message('least_request_lb_config'));
    case 'RING_HASH':
      return ringHash(message.message('ring_hash_lb_config'), hashing);
    case 'MAGLEV':
      return maglev(message.message('maglev_lb_config'), hashing);
    case 'RANDOM':
      return { loadBalancing: { policy: 'random' } };
    default: {
      const config = message.message('round_robin_lb_config');
      return { loadBalancing: { policy: 'round-robin' }, slowStart: slowStartFrom(config?.message('slow_start_config')) };
    }
  }
}

/** The first policy of a list that is known here, as Envoy and gRPC take the first that they know (gRFC A52). */
function firstKnown(config: Message): Balancing {
  const unknown: string[] = [];
  let found: Balancing | undefined = undefined;
  for (const policy of config.messages('policies')) {
    const extension = policy.message('typed_extension_config');
    const name = extension?.text('name') ?? '';
    const typed = extension?.any('typed_config');
    // What comes after it is for others.
    if (found === undefined) found = typed && typedPolicy(typed, name);
    else {
      typed?.message.markRead();
      continue;
    }
    if (found !== undefined) continue;
    typed?.message.markRead();
    unknown.push(name);
  }
  const names = unknown.join(', ');
  if (found === undefined) {
    config.problem('policies', `has no policy that is known here${names === '' ? '' : `, only ${names}`}`);
    return { loadBalancing: { policy: 'round-robin' } };
  }
  if (names !== '')
    config.note('policies', `${names}: not known here, so that ${found.loadBalancing.policy} serves, the next in the list`);
  return found;
}

/** What a policy around another one has inside; undefined when nothing stands there. */
function inside(message: Message, field: string): Balancing | undefined {
  const inner = message.message(field);
  return inner && firstKnown(inner);
}

function typedPolicy({ type, message }: TypedMessage, name: string): Balancing | undefined {
  const kind = /load_balancing_policies\.(\w+)\./.exec(type === '' ? `${name}.` : type)?.[1];
  switch (kind) {
    case 'round_robin':
      return {
        loadBalancing: { policy: 'round-robin' },
        slowStart: slowStartFrom(message.message('slow_start_config')),
        locality: localityFrom(message.message('locality_lb_config')),
      };
    case 'least_request':
      return leastRequest(message);
    case 'random':
      return { loadBalancing: { policy: 'random' }, locality: localityFrom(message.message('locality_lb_config')) };
    case 'ring_hash':
      return ringHash(message, message.message('consistent_hashing_lb_config'));
    case 'maglev':
      return maglev(message, message.message('consistent_hashing_lb_config'));
    case 'wrr_locality': {
      const inner = inside(message, 'endpoint_picking_policy');
      return inner && { ...inner, locality: { ...inner.locality, mode: 'weighted' } };
    }
    case 'subset': {
      const subsets = subsetSelectorsFrom(message);
      const inner = inside(message, 'subset_lb_policy');
      return inner && { ...inner, subsets };
    }
    case 'client_side_weighted_round_robin':
      return {
        loadBalancing: reportedWeights(message),
        slowStart: slowStartFrom(message.message('slow_start_config')),
        locality: localityFrom(message.message('locality_lb_config')),
      };
    case 'peak_ewma':
      return { loadBalancing: peakEwma(message) };
    case 'pick_first':
      return { loadBalancing: pickFirst(message) };
    case 'random_subsetting':
      return around(message, 'child_policy', subsetting);
    case 'override_host':
      return around(message, 'fallback_policy', overrideHost);
    case 'cluster_provided':
      return { loadBalancing: { policy: 'round-robin' } };
    default:
      return undefined;
  }
}

/** A policy around another; undefined where nothing is inside, or what cannot be there: then the next policy serves. */
function around(
  message: Message,
  field: string,
  wrap: (message: Message, child: LoadBalancingConfig) => LoadBalancingConfig | undefined,
): Balancing | undefined {
  const inner = inside(message, field);
  const loadBalancing = inner && wrap(message, inner.loadBalancing);
  return loadBalancing && { ...inner, loadBalancing };
}

function leastRequest(message: Message | undefined): Balancing {
  const choices = message?.whole('choice_count', 2);
  const method = message?.choice('selection_method', ['N_CHOICES', 'FULL_SCAN']);
  const fullScan = message?.flag('enable_full_scan') === true || method === 'FULL_SCAN';
  const bias = message?.message('active_request_bias');
  const activeRequestBias = bias?.number('default_value');
  bias?.skip('runtime_key');
  // More than ten choices compare almost all hosts of most clusters; gRFC A48 has the same bound.
  if (choices !== undefined && choices > 10) message!.note('choice_count', 'more than 10 count as 10');
  return {
    loadBalancing: withOptions('least-request', {
      choiceCount: choices === undefined ? undefined : Math.min(choices, 10),
      fullScan: fullScan || undefined,
      activeRequestBias,
    }),
    slowStart: slowStartFrom(message?.message('slow_start_config')),
    locality: localityFrom(message?.message('locality_lb_config')),
  };
}

function ringHash(message: Message | undefined, hashing: Message | undefined): Balancing {
  const hashFunction = message?.choice('hash_function', message.path.includes('ring_hash_lb_config') ? oldHashes : newHashes);
  return {
    loadBalancing: withOptions('ring-hash', {
      minimumRingSize: message?.whole('minimum_ring_size', 1, 8_388_608),
      maximumRingSize: message?.whole('maximum_ring_size', 1, 8_388_608),
      hashFunction: hashFunction === undefined || hashFunction === 'DEFAULT_HASH' ? undefined : hashNames[hashFunction],
      ...hashingOptions(hashing ?? message),
    }),
    locality: localityFrom(message?.message('locality_weighted_lb_config') && message),
  };
}

const oldHashes = ['XX_HASH', 'MURMUR_HASH_2'] as const;
const newHashes = ['DEFAULT_HASH', 'XX_HASH', 'MURMUR_HASH_2'] as const;
const hashNames = { XX_HASH: 'xx-hash', MURMUR_HASH_2: 'murmur-hash-2' } as const;

function maglev(message: Message | undefined, hashing: Message | undefined): Balancing {
  return {
    loadBalancing: withOptions('maglev', {
      tableSize: message?.whole('table_size', 1, 5_000_011),
      ...hashingOptions(hashing),
    }),
    locality: localityFrom(message?.message('locality_weighted_lb_config') && message),
  };
}

function hashingOptions(hashing: Message | undefined): Readonly<Record<string, unknown>> {
  return {
    useHostname: hashing?.flag('use_hostname_for_hashing') === true || undefined,
    balanceFactorPercent: hashing?.whole('hash_balance_factor', 100),
  };
}

function slowStartFrom(message: Message | undefined): SlowStartConfig | undefined {
  const windowMs = message?.durationMs('slow_start_window');
  if (message === undefined || windowMs === undefined || windowMs === 0) return undefined;
  const aggressionField = message.message('aggression');
  aggressionField?.skip('runtime_key');
  const aggression = aggressionField?.number('default_value');
  const minWeightPercent = percentFrom(message.message('min_weight_percent'));
  return {
    windowMs,
    ...(aggression !== undefined && { aggression }),
    ...(minWeightPercent !== undefined && { minWeightPercent }),
  };
}

/** Reads what is said of panic and localities: of a `CommonLbConfig`, or of the `LocalityLbConfig` of a policy. */
function localityFrom(message: Message | undefined): Partial<LocalityConfig> | undefined {
  if (message === undefined) return undefined;
  const panicThresholdPercent = percentFrom(message.message('healthy_panic_threshold'));
  const zoneAware = message.message('zone_aware_lb_config');
  const weighted = message.message('locality_weighted_lb_config');
  const minimum = zoneAware?.whole('min_cluster_size', 0, Number.MAX_SAFE_INTEGER);
  const percent = percentFrom(zoneAware?.message('routing_enabled'));
  const failOnPanic = zoneAware?.flag('fail_traffic_on_panic') === true;
  return {
    ...(weighted !== undefined && { mode: 'weighted' as const }),
    ...(zoneAware !== undefined && { mode: 'zone-aware' as const }),
    ...(panicThresholdPercent !== undefined && { panicThresholdPercent }),
    ...(failOnPanic && { failTrafficOnPanic: true }),
    ...(minimum !== undefined && { zoneAwareMinClusterSize: minimum }),
    ...(percent !== undefined && { zoneAwareRoutingPercent: percent }),
  };
}
