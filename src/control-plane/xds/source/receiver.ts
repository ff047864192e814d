/**
 * Responses of the server on their way into what is kept. A resource is taken or refused by itself; a version that was refused once is
 * known again by its hash, so that a server that repeats it costs a hash and is told of once.
 */
import type { ConfigSink, Problem } from '../../../model/contracts.ts';
import type { AdsResponse, ReceivedResource, RefusedResource } from '../client/contract.ts';
import { readSecret, type ReadOptions } from '../translate/received.ts';
import type { Finding } from '../translate/message.ts';
import { checkExtension, checkInboundTable, type JudgedListener } from './check-extension.ts';
import { ClusterVerdicts } from './cluster-verdicts.ts';
import { checkCluster, checkEndpoints, checkListener, checkRouteTable, type CheckTools } from './check-resource.ts';
import { hashOf, keyOf, type Judgement, type Kept, type KeptKind, type KeptResources } from './kept-resources.ts';
import type { Listeners } from './listeners.ts';
import type { Pace } from './pace.ts';
import type { SecretDelivery } from './secrets.ts';
import type { SourceStatus } from './source-status.ts';
import { kindOf, type Subscriptions } from './subscriptions.ts';
import type { EndpointsReader } from './wanted-clusters.ts';

/** What a receiver fills and asks. */
export interface ReceiverParts {
  readonly sink: ConfigSink;
  readonly options: ReadOptions;
  readonly kept: Readonly<Record<KeptKind, KeptResources>>;
  readonly absences: Readonly<Record<KeptKind, Map<string, string>>>;
  readonly subscriptions: Subscriptions;
  readonly listeners: Listeners;
  readonly endpoints: EndpointsReader;
  readonly secrets: SecretDelivery;
  readonly status: SourceStatus;
  readonly failOnDataErrors: boolean;
  /** What there is of this resource changed. */
  readonly onChange: (kind: KeptKind, name: string) => void;
}

/** Enough to see what is wrong; the rest is in the status. */
const maxReasons = 5;

export class Receiver {
  private readonly parts: ReceiverParts;
  private readonly clusters = new ClusterVerdicts();
  /** Parts of the last response about each kind that were no resource of it. */
  private readonly broken = new Map<KeptKind, readonly Problem[]>();

  constructor(parts: ReceiverParts) {
    this.parts = parts;
  }

  /** Takes what is good of a response; gives what is refused. */
  async take(response: AdsResponse, pace: Pace): Promise<readonly RefusedResource[]> {
    const kind = kindOf(response.typeUrl);
    if (kind === undefined) return [];
    const { subscriptions, status } = this.parts;
    const refused: RefusedResource[] = [];
    const broken = new Set(response.broken.map(({ name }) => name));
    // The stream has refused what is no resource; that is told of here.
    const news: Problem[] = [...problemsOf(kind, response.broken)];
    for (const resource of response.resources) {
      if (pace.isOver) await pace.turn();
      // One that is there twice is refused: nobody knows which of them is meant.
      if (!subscriptions.has(kind, resource.name) || broken.has(resource.name)) continue;
      const verdict = await this.takeOne(kind, resource, pace);
      if (verdict === undefined) continue;
      refused.push({ name: resource.name, reason: reasonOf(verdict.problems) });
      if (!verdict.isNews) continue;
      const key = keyOf(kind, resource.name);
      news.push(...verdict.problems.map(({ path, reason }) => ({ key, path, reason })));
    }
    if (response.isWhole) await this.takeWhole(kind, response, pace);
    else this.takeRemovals(kind, response);
    if (response.broken.length > 0) this.broken.set(kind, problemsOf(kind, response.broken));
    else this.broken.delete(kind);
    status.setRefused(this.refused());
    if (news.length > 0) {
      status.tell(response.version, news.length === 1 ? 'a mistake' : `${news.length} mistakes`, news);
    }
    return refused;
  }

  /** All that is refused now. */
  refused(): readonly Problem[] {
    return [...Object.values(this.parts.kept).flatMap((kept) => [...kept.rejected()]), ...[...this.broken.values()].flat()];
  }

  /** The server says that it has no such resource. */
  takeAbsence(kind: KeptKind, name: string, reason: string): void {
    const { kept, absences, failOnDataErrors } = this.parts;
    absences[kind].set(name, reason);
    const entry = kept[kind].get(name);
    if (entry?.bytes !== undefined) {
      if (failOnDataErrors) kept[kind].delete(name);
      else this.goneButKept(kind, entry, reason);
    }
    this.parts.onChange(kind, name);
  }

  /** Undefined when it was taken. */
  private async takeOne(
    kind: KeptKind,
    { name, version, bytes }: ReceivedResource,
    pace: Pace,
  ): Promise<{ readonly problems: readonly Finding[]; readonly isNews: boolean } | undefined> {
    const { kept, absences, failOnDataErrors } = this.parts;
    const entry = kept[kind].get(name);
    absences[kind].delete(name);
    // Of a secret only the hash is kept.
    const identity = kind === 'secret' ? Buffer.from(hashOf(bytes)) : bytes;
    if (entry?.bytes !== undefined && Buffer.compare(entry.bytes, identity) === 0) {
      entry.version = version;
      kept[kind].forgive(entry);
      if (entry.isStale) this.parts.onChange(kind, name);
      entry.isStale = false;
      this.back(kind, entry);
      return undefined;
    }
    const { refusal: last } = entry ?? {};
    if (last !== undefined && last.hash === hashOf(bytes)) return { problems: last.problems, isNews: false };
    const judgement = await this.judge(kind, name, bytes, entry, pace);
    // The subscription may have ended while it was judged.
    if (!this.parts.subscriptions.has(kind, name)) return undefined;
    if (judgement.problems.length > 0) {
      const { refusal } = kept[kind].refuse(name, {
        version,
        problems: judgement.problems,
        hash: hashOf(bytes),
      });
      if (failOnDataErrors && entry?.bytes !== undefined) {
        kept[kind].drop(entry);
        this.parts.onChange(kind, name);
      }
      return { problems: refusal?.problems ?? judgement.problems, isNews: true };
    }
    this.keep(kind, name, version, identity, judgement);
    return undefined;
  }

  /** Keeps what a check found good; also what comes from the disk. */
  keep(kind: KeptKind, name: string, version: string, bytes: Uint8Array, judgement: Good): Kept {
    const before = this.parts.kept[kind].get(name);
    if (before !== undefined) this.back(kind, before);
    const entry = this.parts.kept[kind].keep(name, version, bytes, judgement);
    if (judgement.listener !== undefined) this.parts.listeners.note(name, entry.bytes!, judgement.listener);
    if (judgement.endpoints !== undefined)
      this.parts.endpoints.note(name, entry.bytes!, judgement.endpoints, judgement.endpointsMemo);
    for (const { name: listener, bytes: of, judgement: found } of judgement.inListeners ?? []) {
      if (this.parts.kept.listener.bytesOf(listener) !== of) continue;
      this.parts.kept.listener.judgedAnew(listener, found);
      if (found.read !== undefined) this.parts.listeners.note(listener, of, found.read);
    }
    this.parts.onChange(kind, name);
    return entry;
  }

  /** The verdict on bytes of a kind. `entry` is the last good version. */
  async judge(kind: KeptKind, name: string, bytes: Uint8Array, entry: Kept | undefined, pace: Pace): Promise<Good> {
    const { sink, options, endpoints, secrets } = this.parts;
    const tools: CheckTools = { options, sink, pace };
    switch (kind) {
      case 'listener': {
        const { read, ...judgement } = await checkListener(name, bytes, tools);
        return { ...judgement, ...(read !== undefined && { listener: read }) };
      }
      case 'cluster':
        return this.clusters.of(name, bytes, pace, () => checkCluster(name, bytes, tools));
      case 'endpoints': {
        const { value, memo, ...judgement } = await checkEndpoints(name, bytes, tools, endpoints.memoOf(name));
        return {
          ...judgement,
          ...(value !== undefined && { endpoints: value }),
          ...(memo !== undefined && { endpointsMemo: memo }),
        };
      }
      case 'route-table': {
        const naming = this.parts.listeners.namingTable(name);
        if (naming.length > 0) {
          const { listeners, ...judgement } = await checkInboundTable(name, bytes, naming, tools);
          return { ...judgement, inListeners: listeners };
        }
        const last = entry?.bytes === undefined ? undefined : { bytes: entry.bytes, parts: entry.parts };
        return checkRouteTable(name, bytes, tools, last);
      }
      case 'extension': {
        const { listeners, ...judgement } = await checkExtension(name, bytes, this.parts.listeners.naming(name), tools);
        return { ...judgement, inListeners: listeners };
      }
      default: {
        const { findings, value } = readSecret(bytes);
        const reason = value === undefined ? undefined : secrets.set(value);
        const problems = reason === undefined ? findings.problems : [{ path: '', reason }];
        return { problems, unhonoured: findings.unhonoured, notes: [] };
      }
    }
  }

  /** What a whole response does not name is gone. */
  private async takeWhole(kind: KeptKind, { resources, broken }: AdsResponse, pace: Pace): Promise<void> {
    const present = this.parts.kept[kind];
    const named = new Set([...resources, ...broken].map(({ name }) => name));
    // What could not be read may be any of them: then nothing can be said to be left out.
    if (named.has('')) return;
    if (pace.isOver) await pace.turn();
    const gone: string[] = [];
    for (const { name } of present.all()) if (!named.has(name)) gone.push(name);
    if (named.size === 0 && this.isMistake(kind, gone)) return;
    this.end(kind, gone, 'the server has it no longer');
  }

  /** What an incremental response takes away by name; its first one about all of a kind has all that there is. */
  private takeRemovals(kind: KeptKind, { resources, removed }: AdsResponse): void {
    const withheld = this.withheld.get(kind) ?? [];
    if (resources.length === 0 && this.isMistake(kind, [...withheld, ...removed])) {
      this.withheld.set(kind, [...withheld, ...removed]);
      return;
    }
    this.withheld.delete(kind);
    const named = new Set(resources.map(({ name }) => name));
    this.end(kind, [...withheld.filter((name) => !named.has(name)), ...removed], 'the server removed it');
  }

  /** Names that the server took away all at once, until it says something else of their kind. */
  private readonly withheld = new Map<KeptKind, readonly string[]>();

  /** That all of a kind is gone at once is taken for a mistake (gRFC A88), and nothing of it goes. */
  private isMistake(kind: KeptKind, gone: readonly string[]): boolean {
    const { kept, subscriptions, status, failOnDataErrors } = this.parts;
    const { size } = kept[kind];
    if (failOnDataErrors || size === 0 || !subscriptions.isWildcard(kind)) return false;
    const good = new Set(gone.filter((name) => kept[kind].has(name)));
    if (good.size < size) return false;
    const reason = `the server says that nothing is left; all ${size} stay in force until others come`;
    status.note(`empty ${kind}`, { key: keyOf(kind, '*'), path: '', reason });
    return true;
  }

  private end(kind: KeptKind, gone: readonly string[], reason: string): void {
    const { kept, subscriptions, status, onChange } = this.parts;
    status.note(`empty ${kind}`, undefined);
    for (const name of gone) this.takeAway(kind, name, reason);
    if (!subscriptions.isWildcard(kind) || kept[kind].isComplete) return;
    kept[kind].isComplete = true;
    onChange(kind, '*');
  }

  /**
   * Listeners and clusters that a sidecar has all of are gone when the server says so, as in Envoy. What was asked for by name stays
   * (gRFC A88), and so do route tables and endpoints, which Envoy does not let go either: their listener or cluster goes instead.
   */
  private takeAway(kind: KeptKind, name: string, reason: string): void {
    const { kept, subscriptions, failOnDataErrors } = this.parts;
    const entry = kept[kind].get(name);
    if (entry === undefined) return;
    if (entry.bytes !== undefined && !failOnDataErrors && !subscriptions.isWildcard(kind)) {
      this.goneButKept(kind, entry, reason);
      return;
    }
    kept[kind].delete(name);
    if (!subscriptions.isWildcard(kind)) this.parts.absences[kind].set(name, reason);
    if (kind === 'secret') this.parts.secrets.remove(name);
    this.parts.onChange(kind, name);
  }

  private goneButKept(kind: KeptKind, entry: Kept, reason: string): void {
    // The server has spoken of it: it is no longer waited for.
    entry.isStale = false;
    if (entry.gone === reason) return;
    entry.gone = reason;
    const key = keyOf(kind, entry.name);
    this.parts.status.note(`gone ${kind} ${entry.name}`, {
      key,
      path: '',
      reason: `${reason}; the last good version stays in force`,
    });
  }

  private back(kind: KeptKind, entry: Kept): void {
    if (entry.gone === undefined) return;
    entry.gone = undefined;
    this.parts.status.note(`gone ${kind} ${entry.name}`, undefined);
  }
}

/** A verdict, with what was read on the way. */
export interface Good extends Judgement {
  readonly listener?: Parameters<Listeners['note']>[2];
  /** Of the configuration of a filter: the listeners that it stands in. */
  readonly inListeners?: readonly JudgedListener[];
  readonly endpoints?: Parameters<EndpointsReader['note']>[2];
  readonly endpointsMemo?: Parameters<EndpointsReader['note']>[3];
}

function problemsOf(kind: KeptKind, refused: readonly RefusedResource[]): readonly Problem[] {
  return refused.map(({ name, reason }) => ({ key: keyOf(kind, name), path: '', reason }));
}

function reasonOf(problems: readonly Finding[]): string {
  const words = problems.slice(0, maxReasons).map(({ path, reason }) => (path === '' ? reason : `${path}: ${reason}`));
  if (problems.length > maxReasons) words.push(`and ${problems.length - maxReasons} more`);
  return words.join('; ');
}
