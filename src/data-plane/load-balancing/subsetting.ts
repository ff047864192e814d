/**
 * Each client uses some of the hosts, and another policy balances over those. A thousand clients of a thousand hosts need a million
 * connections, and each sees too few answers of a host to learn from; with twenty hosts for each client there are twenty thousand.
 *
 * The subset is chosen among the hosts that may be used: when one of them is ejected another takes its place.
 */
import type { Random } from '../../base/runtime.ts';
import { MeshError } from '../../base/errors.ts';
import type { HostSet, HostSetChange, LoadBalancingPolicy, PickableHost, PickContext, Picker } from '../../model/contracts.ts';
import { childField, childOption, type ChildPolicy, type PolicyTable } from './child-policy.ts';
import {
  deterministicSubset,
  ownPointOf,
  randomSubset,
  rendezvousSubset,
  weightedPointOf,
  type SubsetClient,
} from './choose-subset.ts';
import { hashText, noSeed } from './hash-text.ts';
import { isKnownWeight } from './host-weights.ts';
import { numberOption, refuseUnknownOptions, wordOption } from './policy-options.ts';

/** The policy's options with their defaults. */
export interface SubsettingOptions {
  readonly kind: 'random' | 'rendezvous' | 'deterministic';
  readonly size: number;
  /** Who this client is; undefined = drawn when the mesh starts. */
  readonly client: string | number | undefined;
  readonly child: ChildPolicy;
}

const choose = { random: randomSubset, rendezvous: rendezvousSubset, deterministic: deterministicSubset };

/** The policy, around one of `inner`. */
export function subsettingOver(inner: PolicyTable): LoadBalancingPolicy<SubsettingOptions> {
  return {
    name: 'subsetting',
    doc: 'This client uses a subset of the hosts, over which the policy inside balances: fewer connections where clients and hosts are many.',
    options: {
      parse(given, path) {
        refuseUnknownOptions(given, ['kind', 'size', 'client', 'child'], path);
        const kind = wordOption(given, 'kind', path, ['random', 'rendezvous', 'deterministic']);
        return {
          kind,
          size: numberOption(given, 'size', path, { min: 1, max: 2 ** 32 - 1, integer: true, fallback: 20 }),
          client: clientOption(given?.['client'], kind, `${path}.client`),
          child: childOption(given, path, inner),
        };
      },
      fields: [
        {
          name: 'kind',
          type: "'random' | 'rendezvous' | 'deterministic'",
          default: "'random' (gRFC A68)",
          doc: '`random`: the hosts with the lowest hashes under a seed of the client; `rendezvous`: the same by weight, so that a heavy host is in more subsets; `deterministic`: consecutive blocks of a shuffled list, the evenest where clients are numbered without gaps (SRE book, chapter 20).',
        },
        {
          name: 'size',
          type: 'number ≥ 1',
          default: '20 (SRE book: 20 to 100)',
          doc: 'How many hosts this client uses; all of them when there are no more.',
        },
        {
          name: 'client',
          type: 'text or number',
          default: 'drawn at the start',
          doc: 'Who this client is, so that it has the same subset after a restart: a name, and for `deterministic` its number from 0, such as the ordinal of a StatefulSet.',
        },
        childField,
      ],
    },
    build: (hosts, options, random, previous) => new SubsetPicker(hosts, options, random, previous),
    observe: ({ child }, host) => child.policy.observe?.(child.options, host),
    isHashing: ({ child }) => child.policy.isHashing?.(child.options) === true,
  };
}

function clientOption(value: unknown, kind: SubsettingOptions['kind'], path: string): string | number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  if (kind !== 'deterministic' && typeof value === 'string' && value !== '') return value;
  const wanted = kind === 'deterministic' ? 'a whole number from 0' : 'a name or a whole number from 0';
  throw new MeshError('MESH_CONFIG_INVALID', `${path} is ${JSON.stringify(value)}; it must be ${wanted}`);
}

/** Drawn once for each mesh, which has one source of chance: another configuration keeps the subset. */
const drawnClients = new WeakMap<Random, SubsetClient>();

function drawnClient(random: Random): SubsetClient {
  let client = drawnClients.get(random);
  if (client === undefined) {
    const word = (): number => Math.floor(random() * 2 ** 32);
    client = { seed: { high: word(), low: word() }, number: word(), hashes: new WeakMap() };
    drawnClients.set(random, client);
  }
  return client;
}

function namedClient(name: string | number): SubsetClient {
  const seed = { high: 0, low: 0 };
  hashText(String(name), noSeed, seed);
  return { seed, number: typeof name === 'number' ? name : 0, hashes: new WeakMap() };
}

/** Places of hosts, of which the lowest are the subset; where a place depends on all hosts together there is none. */
const placeOf = { random: ownPointOf, rendezvous: weightedPointOf, deterministic: undefined };

class SubsetPicker implements Picker {
  private readonly client: SubsetClient;
  private readonly options: SubsettingOptions;
  private readonly inner: Picker;
  private all: HostSet;
  private readonly hosts: HostSet;
  /** The highest place of the subset; undefined until it is asked for. */
  private limit: number | undefined = undefined;

  constructor(all: HostSet, options: SubsettingOptions, random: Random, previous: Picker | undefined) {
    const { kind, size, client: name, child } = options;
    const before = previous instanceof SubsetPicker ? previous : undefined;
    this.options = options;
    if (name === undefined) this.client = drawnClient(random);
    else this.client = before?.options.client === name ? before.client : namedClient(name);
    this.all = all;
    this.hosts = all.length <= size ? all : choose[kind](all, size, this.client);
    this.inner = child.policy.build(this.hosts, child.options, random, before?.inner);
  }

  pick(context: PickContext): PickableHost | undefined {
    return this.inner.pick(context);
  }

  get comparedHosts(): number | undefined {
    return this.inner.comparedHosts;
  }

  complete(): void {
    this.inner.complete?.();
  }

  /** Most changes of many hosts are outside of the subset, and stay there. */
  follow({ kind, index, hosts: all }: HostSetChange): boolean {
    const { client, hosts, options } = this;
    const host = kind === 'left' ? this.all[index]! : all[index]!;
    const place = placeOf[options.kind];
    if (place === undefined || this.hosts === this.all || hosts.includes(host) || !isKnownWeight(host.weight)) return false;
    if (kind !== 'left') {
      this.limit ??= hosts.reduce((highest, each) => Math.max(highest, place(each, client)), 0);
      if (!(place(host, client) > this.limit)) return false;
    }
    this.all = all;
    return true;
  }
}
