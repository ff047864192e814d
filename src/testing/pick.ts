/**
 * Which endpoint of a cluster a request with this key would get, picked by the code that requests themselves go through: no sockets,
 * no clock, no mesh. What it says of hashes is held to the answers of a real Envoy (test/vectors/hash.test.ts).
 */
import { seededRandom, type Random } from '../base/runtime.ts';
import { hasMetadata } from '../data-plane/cluster/has-metadata.ts';
import { HostGroup, defaultPanicThresholdPercent } from '../data-plane/cluster/host-group.ts';
import type { Host } from '../data-plane/cluster/host.ts';
import { HostTable } from '../data-plane/cluster/host-table.ts';
import { hashText, noSeed } from '../data-plane/load-balancing/hash-text.ts';
import { loadBalancingPolicies } from '../data-plane/load-balancing/index.ts';
import type { ClusterConfig, EndpointsConfig, Locality } from '../model/cluster.ts';
import type { Hash64, LoadBalancingPolicy } from '../model/contracts.ts';
import { compileEnvoy, type CompiledEnvoy } from './compile-envoy.ts';

/** A text, which is hashed as a header of this value would be (XXH64); or the hash of the request. */
export type PickKey = string | { readonly hash: bigint | Hash64 };

/** What is asked about: what a cluster is, and what it is at the moment. */
export interface PickOptions {
  /** Which of several clusters. */
  readonly cluster?: string;
  /** A subset of its endpoints, by name. Default: the whole cluster. */
  readonly subset?: string;
  /** The endpoints, for a cluster of the model that gets them from elsewhere. */
  readonly endpoints?: EndpointsConfig;
  /** Addresses with their ports of endpoints that are out: what happens then? */
  readonly out?: readonly string[];
  /** Where the asking process runs, for routing by zones. */
  readonly locality?: Locality;
  /** What policies draw. Default: a seeded one, so that each run of a test picks the same. */
  readonly random?: Random;
}

/** The endpoint of a request. */
export interface PickResult {
  /** Its address with its port; undefined when there is none for the request. */
  readonly endpoint: string | undefined;
  readonly priority?: number;
  readonly locality?: Locality;
  readonly policy: string;
  /** Of the request; undefined when it has no key. */
  readonly hash: bigint | undefined;
  /** Too few endpoints may be used, so that those that are out are used too. */
  readonly isPanic: boolean;
  /** Why this one, in words. */
  readonly reason: string;
}

/**
 * Picks an endpoint for a request.
 *
 * ```js
 * pick(compileEnvoy(yaml), 'user-4711', { cluster: 'sessions' });
 * // { endpoint: '192.0.2.2:80', priority: 0, locality: { zone: 'b' }, policy: 'maglev', hash: 3728699739546630719n, … }
 * ```
 *
 * `cluster` is a cluster of the model, Envoy's JSON or YAML of one (with its `ClusterLoadAssignment` in a list where it is of type
 * EDS), or what `compileEnvoy` gave. An object is read once: policies that take turns go on from pick to pick, as in a mesh. Throws a
 * TypeError where the cluster or its endpoints are not there.
 */
export function pick(
  cluster: ClusterConfig | CompiledEnvoy | string | object | readonly (string | object)[],
  key?: PickKey,
  options: PickOptions = {},
): PickResult {
  const { group, config, random } = balancedFrom(cluster, options);
  const hash = key === undefined ? undefined : hashOf(key);
  const host = group.picker.pick({ tried: [], hash, random: options.random ?? random, now: 0 }) as Host | undefined;
  const { policy } = config.loadBalancing;
  return {
    endpoint: host?.address,
    ...(host !== undefined && { priority: host.priority, locality: host.locality }),
    policy,
    hash: hash && (BigInt(hash.high) << 32n) + BigInt(hash.low),
    isPanic: group.isPanic,
    reason: reasonFor(host, group, policy, hash),
  };
}

interface Balanced {
  readonly group: HostGroup;
  readonly config: ClusterConfig;
  readonly random: Random;
}

/** By the object that was given, then by what was asked about it: tables of hashes take long to make. */
const known = new WeakMap<object, Map<string, Balanced>>();

function balancedFrom(cluster: Parameters<typeof pick>[0], options: PickOptions): Balanced {
  if (typeof cluster === 'string') return balance(cluster, options);
  const { cluster: name, subset, endpoints, out, locality } = options;
  let byQuestion = known.get(cluster);
  if (byQuestion === undefined) known.set(cluster, (byQuestion = new Map<string, Balanced>()));
  const question = JSON.stringify([name, subset, out, locality]) + (endpoints === undefined ? '' : textOf(endpoints));
  let balanced = byQuestion.get(question);
  if (balanced === undefined) byQuestion.set(question, (balanced = balance(cluster, options)));
  return balanced;
}

/** Endpoints may be a hundred thousand, and are read once, as the cluster is. */
const texts = new WeakMap<EndpointsConfig, string>();

function textOf(endpoints: EndpointsConfig): string {
  let text = texts.get(endpoints);
  if (text === undefined) texts.set(endpoints, (text = JSON.stringify(endpoints)));
  return text;
}

function balance(cluster: Parameters<typeof pick>[0], options: PickOptions): Balanced {
  const { config, endpoints } = configFrom(cluster, options);
  const said = config.discovery.kind === 'static' ? config.discovery : (options.endpoints ?? endpoints);
  if (said === undefined)
    throw new TypeError(
      `the endpoints of cluster "${config.name}" are not there: it has ${config.discovery.kind}; give its ClusterLoadAssignment beside it, or \`endpoints\``,
    );
  const policy = loadBalancingPolicies.get(config.loadBalancing.policy);
  if (policy === undefined) throw new TypeError(`there is no load balancing policy "${config.loadBalancing.policy}"`);
  const parsed = policy.options.parse(config.loadBalancing.options, 'loadBalancing');
  const table = new HostTable();
  if (policy.observe !== undefined) table.observeBy((host) => policy.observe!(parsed, host));
  table.update(config, said.localities, () => undefined);
  const { subset = '', out = [], locality: own } = options;
  const wanted = subset === '' ? {} : config.subsets?.[subset];
  if (wanted === undefined) throw new TypeError(`cluster "${config.name}" has no subset "${subset}"`);
  const all = [...table.all()];
  const selected = all.filter((host) => hasMetadata(host.endpoint.metadata, wanted));
  const standIn = selected.length > 0 ? undefined : config.subsetFallbacks?.[subset];
  const hosts =
    standIn === undefined
      ? selected
      : all.filter((host) => hasMetadata(host.endpoint.metadata, standIn === '' ? {} : (config.subsets?.[standIn] ?? wanted)));
  for (const address of out) {
    const host = all.find((each) => each.address === address);
    if (host === undefined) throw new TypeError(`${address} is no endpoint of cluster "${config.name}"`);
    host.isWithdrawn = true;
  }
  const { locality } = config;
  const panic = locality?.panicThresholdPercent ?? defaultPanicThresholdPercent;
  const random = seededRandom(1);
  const group = new HostGroup(subset, atOnce(policy), parsed, random, panic, { locality, own });
  group.setHosts(hosts, said.overprovisioningPercent);
  return { group, config, random };
}

/** With no table of hashes left to be made in slices: nobody waits here. */
function atOnce(policy: LoadBalancingPolicy): LoadBalancingPolicy {
  const build: LoadBalancingPolicy['build'] = (...given) => {
    const picker = policy.build(...given);
    picker.complete?.();
    return picker;
  };
  return { ...policy, build };
}

function configFrom(
  cluster: Parameters<typeof pick>[0],
  { cluster: name }: PickOptions,
): { readonly config: ClusterConfig; readonly endpoints?: EndpointsConfig | undefined } {
  if (isModel(cluster)) return { config: cluster };
  const compiled = isCompiled(cluster) ? cluster : compileEnvoy(cluster);
  const names = [...compiled.clusters.keys()];
  const config = compiled.clusters.get(name ?? names[0] ?? '');
  if (config === undefined || (name === undefined && names.length > 1)) {
    const there = names.length === 0 ? 'there is none' : `there are ${names.map((each) => `"${each}"`).join(', ')}`;
    throw new TypeError(
      name === undefined ? `which cluster? ${there}; say \`cluster\`` : `there is no cluster "${name}"; ${there}`,
    );
  }
  const wanted = config.discovery.kind === 'endpoints' ? config.discovery.name : config.name;
  const found = compiled.resources.find((each) => each.kind === 'endpoints' && each.name === wanted);
  return { config, endpoints: found?.value as EndpointsConfig | undefined };
}

function isModel(cluster: unknown): cluster is ClusterConfig {
  return typeof cluster === 'object' && cluster !== null && 'discovery' in cluster && 'loadBalancing' in cluster;
}

function isCompiled(cluster: unknown): cluster is CompiledEnvoy {
  return typeof cluster === 'object' && cluster !== null && (cluster as Partial<CompiledEnvoy>).clusters instanceof Map;
}

function hashOf(key: PickKey): Hash64 {
  if (typeof key === 'string') {
    const hash = { high: 0, low: 0 };
    hashText(key, noSeed, hash);
    return hash;
  }
  const hash: unknown = (key as { readonly hash?: unknown } | null)?.hash;
  if (typeof hash === 'bigint') return { high: Number(BigInt.asUintN(32, hash >> 32n)), low: Number(BigInt.asUintN(32, hash)) };
  if (typeof hash === 'object' && hash !== null && 'high' in hash && 'low' in hash) return hash as Hash64;
  throw new TypeError('the key is a text, or { hash } with a bigint or { high, low }');
}

function reasonFor(host: Host | undefined, group: HostGroup, policy: string, hash: Hash64 | undefined): string {
  const out = group.hosts.filter((each) => each.out !== undefined).length;
  const state = out === 0 ? '' : `, ${out} of them out`;
  if (host === undefined) return `there is none: the cluster has ${group.hosts.length} endpoints${state}`;
  const among = `${group.hosts.length} endpoints${state}${group.isPanic ? ', all used in panic' : ''}`;
  if (!group.isHashing) return `${policy} picked it of ${among}`;
  return hash === undefined
    ? `${policy} has no hash to go by, so it was drawn by weight of ${among}`
    : `${policy} has the hash at home there, of ${among}`;
}
