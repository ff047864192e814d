import type { HostSet, LocalityShare, PickableHost } from '../../model/contracts.ts';
import { weightsOf } from './host-weights.ts';

/** Hosts as hashing policies see them: in a stable order, each with its key and its share of the hashes. */
export interface PlacedHosts {
  readonly hosts: HostSet;
  readonly keys: readonly string[];
  /** Shares; they add up to 1, or to less where a weighted locality has no usable host. */
  readonly weights: Float64Array;
}

/**
 * Keys and shares of hosts. In weighted localities a host has its part of the share of its locality, and a locality of weight 0 gets
 * nothing. Source: Envoy `normalizeLocalityWeights`.
 */
export function placeHosts(hosts: HostSet, useHostname: boolean): PlacedHosts {
  if (hosts.some((host) => host.share !== undefined)) return placeByLocality(hosts, useHostname);
  const weights = weightsOf(hosts);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return { hosts, keys: hosts.map((host) => keyOf(host, useHostname)), weights: weights.map((weight) => weight / sum) };
}

/** Whether both are the same hosts at the same places, so that a table of the one serves the other. */
export function isSamePlacement(a: PlacedHosts, b: PlacedHosts): boolean {
  if (a.hosts.length !== b.hosts.length) return false;
  for (let index = 0; index < a.hosts.length; index++) {
    if (a.hosts[index] !== b.hosts[index] || a.weights[index] !== b.weights[index] || a.keys[index] !== b.keys[index])
      return false;
  }
  return true;
}

function keyOf(host: PickableHost, useHostname: boolean): string {
  return host.hashKey || (useHostname && host.hostname) || host.address;
}

function placeByLocality(all: HostSet, useHostname: boolean): PlacedHosts {
  const localities = new Map<LocalityShare | undefined, PickableHost[]>();
  for (const host of all) {
    const members = localities.get(host.share);
    if (members === undefined) localities.set(host.share, [host]);
    else members.push(host);
  }
  const hosts: PickableHost[] = [];
  const weights: number[] = [];
  // Where weights do not divide evenly the order decides who gets the odd point of a ring.
  const byName = [...localities].sort(([a], [b]) => compare(a?.locality ?? '', b?.locality ?? ''));
  for (const [share, members] of byName) {
    if (share === undefined || share.weight === 0) continue;
    const ofMembers = weightsOf(members);
    const sum = ofMembers.reduce((total, weight) => total + weight, 0);
    const ofLocality = share.weight / share.totalWeight;
    for (const [index, member] of members.entries()) {
      hosts.push(member);
      weights.push((ofMembers[index]! * ofLocality) / sum);
    }
  }
  return { hosts, keys: hosts.map((host) => keyOf(host, useHostname)), weights: Float64Array.from(weights) };
}

/** By code units, as bytes are compared. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
