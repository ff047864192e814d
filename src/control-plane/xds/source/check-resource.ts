/**
 * The verdict on bytes, kind by kind: they are translated, and what came of it is checked as if it were to be put in force. The result
 * is dropped unless somebody wants it. Nothing here keeps anything; a text of a problem never has what a secret holds.
 */
import type { ConfigSink } from '../../../model/contracts.ts';
import type { Resource } from '../../../model/snapshot.ts';
import type { Finding } from '../translate/message.ts';
import { readCluster, readListener, readRouteTable, type ReadListener, type ReadOptions } from '../translate/received.ts';
import { endpointsFromWire, type EndpointsMemo } from '../wire/endpoints-from-wire.ts';
import type { EndpointsConfig } from '../../../model/cluster.ts';
import type { Judgement } from './kept-resources.ts';
import type { Pace } from './pace.ts';
import { changedHosts, TakenNames } from './changed-hosts.ts';
import { namesOfVirtualHost, routeTableParts, tableOfOne } from './route-table-bytes.ts';

/** What checking needs. */
export interface CheckTools {
  readonly options: ReadOptions;
  readonly sink: ConfigSink;
  readonly pace: Pace;
}

const none: readonly Finding[] = [];
const noMessage: Judgement = {
  problems: [{ path: '', reason: 'the bytes are no message of this kind' }],
  unhonoured: none,
  notes: none,
};

/** Judges a listener. */
export async function checkListener(
  name: string,
  bytes: Uint8Array,
  tools: CheckTools,
): Promise<Judgement & { read?: ReadListener }> {
  const read = readListener(bytes, tools.options);
  const { problems, unhonoured } = read.findings;
  if (problems.length > 0) return { problems, unhonoured, notes: none };
  const verdicts: Judgement[] = [];
  for (const value of [...read.outbound, ...read.inbound])
    verdicts.push(await verdictOn({ kind: 'listener', name: value.name, value }, tools));
  return {
    problems: verdicts.flatMap((verdict) => verdict.problems),
    unhonoured,
    notes: verdicts.flatMap((verdict) => verdict.notes),
    read,
  };
}

/** Judges a cluster. Its name must be that of the resource. */
export async function checkCluster(name: string, bytes: Uint8Array, tools: CheckTools): Promise<Judgement> {
  const { findings, value } = readCluster(bytes, tools.options);
  const { problems, unhonoured } = findings;
  if (problems.length > 0 || value === undefined) return { ...noMessage, ...(problems.length > 0 && { problems }), unhonoured };
  const { problems: faults, notes } = await verdictOn({ kind: 'cluster', name, value: value.value }, tools);
  return { problems: faults, unhonoured, notes };
}

/** Judges endpoints. With `memo`, an endpoint that did not change keeps its object. */
export async function checkEndpoints(
  name: string,
  bytes: Uint8Array,
  tools: CheckTools,
  memo?: EndpointsMemo,
): Promise<Judgement & { value?: EndpointsConfig; memo?: EndpointsMemo }> {
  const read = endpointsFromWire(bytes, memo);
  const { problems, unhonoured, value } = read;
  if (problems.length > 0 || value === undefined) return { ...noMessage, ...(problems.length > 0 && { problems }), unhonoured };
  const { problems: faults, notes } = await verdictOn({ kind: 'endpoints', name, value }, tools);
  return { problems: faults, unhonoured, notes, value, ...(read.memo !== undefined && { memo: read.memo }) };
}

/**
 * Judges a route table, one virtual host after the other. Those whose bytes are as in the `last` good version are as good as they were,
 * and not looked at.
 */
export async function checkRouteTable(
  name: string,
  bytes: Uint8Array,
  tools: CheckTools,
  last?: { readonly bytes: Uint8Array; readonly parts: Judgement['parts'] },
): Promise<Judgement> {
  const { options, pace } = tools;
  const parts = routeTableParts(bytes);
  if (parts === undefined) return noMessage;
  const head = readRouteTable(parts.head, options);
  const problems: Finding[] = [...head.findings.problems];
  const { unhonoured } = head.findings;
  if (problems.length > 0 || head.value === undefined)
    return { ...noMessage, ...(problems.length > 0 && { problems }), unhonoured };
  if (head.value.name !== name) problems.push({ path: 'name', reason: 'differs from the name of the resource' });

  const { now, was, same } = await changedHosts(last && lastHosts(last.bytes, parts.head), parts.hosts, pace);
  const before = new Map<string, Uint8Array>();
  const taken = new TakenNames();
  for (const host of was) {
    if (pace.isOver) await pace.turn();
    const words = namesOfVirtualHost(host);
    if (words === undefined) continue;
    before.set(words.name, host);
    taken.free(words);
  }
  const found = new Map(was.length + same.length === 0 ? [] : last?.parts);
  for (const known of before.keys()) found.delete(known);
  const owners = new Map<string, string>();
  const names = new Set<string>();
  for (const host of now) {
    if (pace.isOver) await pace.turn();
    const words = namesOfVirtualHost(host);
    if (words === undefined) return noMessage;
    const place = `virtual_hosts[${JSON.stringify(words.name)}]`;
    if (names.has(words.name))
      problems.push({ path: place, reason: 'there are two virtual hosts of this name; names are unique' });
    names.add(words.name);
    for (const domain of words.domains) {
      const folded = domain.toLowerCase();
      const owner = owners.get(folded);
      if (owner !== undefined)
        problems.push({
          path: `${place}.domains`,
          reason: `${JSON.stringify(domain)} belongs to the virtual host ${JSON.stringify(owner)} already`,
        });
      else owners.set(folded, words.name);
    }
    taken.want(words);
    const known = before.get(words.name);
    if (known !== undefined && Buffer.compare(known, host) === 0) {
      const findings = last?.parts?.get(words.name);
      if (findings !== undefined) found.set(words.name, findings);
      continue;
    }
    const one = readRouteTable(tableOfOne(parts.head, host), options);
    const here = (findings: readonly Finding[], prefix: RegExp): Finding[] =>
      findings.flatMap(({ path, reason }) => (prefix.test(path) ? [{ path: path.replace(prefix, ''), reason }] : []));
    for (const { path, reason } of one.findings.problems)
      problems.push({ path: path.replace(/^virtual_hosts\[0\]/, place), reason });
    if (one.value === undefined) continue;
    const { problems: faults, notes } = await verdictOn({ kind: 'route-table', name, value: { ...one.value, name } }, tools);
    for (const { path, reason } of faults) problems.push({ path: path.replace(/^virtualHosts\[0\]/, place), reason });
    const own = [...here(one.findings.unhonoured, /^virtual_hosts\[0\]/), ...here(notes, /^virtualHosts\[0\]/)];
    if (own.length > 0) found.set(words.name, own);
  }
  // Which of two it is that has to go is told by the order of all.
  if (await taken.areIn(same, pace)) return checkRouteTable(name, bytes, tools);
  return { problems: problems.slice(0, maxProblems), unhonoured, notes: none, parts: found };
}

/** Enough to mend a table by. */
const maxProblems = 20;

/** Virtual hosts of the last version; none where what stands around them is another. */
function lastHosts(bytes: Uint8Array, head: Uint8Array): readonly Uint8Array[] {
  const parts = routeTableParts(bytes);
  return parts === undefined || Buffer.compare(parts.head, head) !== 0 ? [] : parts.hosts;
}

async function verdictOn(resource: Resource, { sink, pace }: CheckTools): Promise<Judgement> {
  // The first resources of a process take milliseconds, until their code is compiled.
  if (pace.isOver) await pace.turn();
  const { rejected, unhonoured } = (await sink.check?.(resource)) ?? { rejected: none, unhonoured: none };
  const placed = ({ path, reason }: Finding): Finding => ({ path, reason });
  return { problems: rejected.map(placed), unhonoured: none, notes: unhonoured.map(placed) };
}
