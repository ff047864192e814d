/**
 * What the server said, as bytes: the last good version of every resource, and why a later one was refused. Nothing here is an object
 * of the model; that is made of the bytes of what is wanted. Lists of findings are shared, so that ten thousand clusters with the same
 * field that has no effect cost a reference each.
 */
import { createHash } from 'node:crypto';
import type { Problem } from '../../../model/contracts.ts';
import type { Finding } from '../translate/message.ts';

/** Kinds that are subscribed to. */
export type KeptKind = 'listener' | 'route-table' | 'cluster' | 'endpoints' | 'secret' | 'extension';

/** The verdict on bytes. */
export interface Judgement {
  /** Why they are refused; empty = they are good. */
  readonly problems: readonly Finding[];
  /** Fields that have no effect, as the translation found. */
  readonly unhonoured: readonly Finding[];
  /** Parts without effect, as the checks of the model found: the store reports them too once the resource is in force. */
  readonly notes: readonly Finding[];
  /** Both, of the virtual hosts of a route table by their names; paths begin there. Only of those that have any. */
  readonly parts?: ReadonlyMap<string, readonly Finding[]>;
}

/** A version that was refused. */
export interface Refusal {
  readonly version: string;
  readonly problems: readonly Finding[];
  /** Of its bytes. */
  readonly hash: string;
}

/** One resource. */
export interface Kept {
  readonly name: string;
  /** The last good ones; undefined while none came. A secret has none: it is with the identities. */
  bytes: Uint8Array | undefined;
  version: string;
  unhonoured: readonly Finding[];
  notes: readonly Finding[];
  parts: ReadonlyMap<string, readonly Finding[]> | undefined;
  refusal: Refusal | undefined;
  /** Why the server has it no longer, while the last good version stays. */
  gone: string | undefined;
  /** It comes from the disk, and the server has not confirmed it. */
  isStale: boolean;
}

const none: readonly Finding[] = [];

/** The resources of one kind. */
export class KeptResources {
  readonly kind: KeptKind;
  private readonly pool: FindingsPool;
  /** The server has said what there is: what is not here does not exist. */
  isComplete = false;
  private readonly entries = new Map<string, Kept>();
  /** Those with a refusal, so that nobody looks through ten thousand for them. */
  private readonly refused = new Set<Kept>();
  private good = 0;
  /** Counts the changes of what there is. */
  revision = 0;

  constructor(kind: KeptKind, pool: FindingsPool) {
    this.kind = kind;
    this.pool = pool;
  }

  get(name: string): Kept | undefined {
    return this.entries.get(name);
  }

  /** The last good bytes. */
  bytesOf(name: string): Uint8Array | undefined {
    return this.entries.get(name)?.bytes;
  }

  has(name: string): boolean {
    return this.bytesOf(name) !== undefined;
  }

  all(): Iterable<Kept> {
    return this.entries.values();
  }

  /** How many have a good version. */
  get size(): number {
    return this.good;
  }

  /** Keeps a good version: a copy of the bytes, since those that came hold the whole response. */
  keep(name: string, version: string, bytes: Uint8Array, { unhonoured, notes, parts }: Judgement): Kept {
    const entry = this.entryOf(name);
    if (entry.bytes === undefined) this.good++;
    entry.bytes = new Uint8Array(bytes);
    this.revision++;
    entry.version = version;
    entry.unhonoured = this.pool.share(unhonoured);
    entry.notes = this.pool.share(notes);
    entry.parts = parts && new Map([...parts].map(([part, found]) => [part, this.pool.share(found)]));
    this.forgive(entry);
    entry.gone = undefined;
    entry.isStale = false;
    return entry;
  }

  /** What a resource has without effect, now that something else stands in it. */
  judgedAnew(name: string, { unhonoured, notes }: Judgement): void {
    const entry = this.entryOf(name);
    entry.unhonoured = this.pool.share(unhonoured);
    entry.notes = this.pool.share(notes);
  }

  refuse(name: string, refusal: Refusal): Kept {
    const entry = this.entryOf(name);
    entry.refusal = { ...refusal, problems: this.pool.share(refusal.problems) };
    this.refused.add(entry);
    return entry;
  }

  /** A version that was refused does not count any more. */
  forgive(entry: Kept): void {
    entry.refusal = undefined;
    this.refused.delete(entry);
  }

  /** Gives up the last good version; why a later one was refused stays. */
  drop(entry: Kept): void {
    if (entry.bytes !== undefined) this.good--;
    entry.bytes = undefined;
    this.revision++;
  }

  delete(name: string): boolean {
    const entry = this.entries.get(name);
    if (entry === undefined) return false;
    this.drop(entry);
    this.refused.delete(entry);
    return this.entries.delete(name);
  }

  /** Why later versions were refused. */
  *rejected(): Generator<Problem> {
    for (const { name, refusal } of this.refused) {
      const key = keyOf(this.kind, name);
      for (const found of refusal?.problems ?? none) yield { key, ...found };
    }
  }

  /** What would have no effect, of all but those that the store reports itself. */
  *unhonoured(isInForce: (name: string) => boolean): Generator<Problem> {
    for (const { name, unhonoured, notes, parts } of this.entries.values()) {
      if (isInForce(name)) continue;
      const key = keyOf(this.kind, name);
      for (const found of unhonoured) yield { key, ...found };
      for (const found of notes) yield { key, ...found };
      for (const [part, list] of parts ?? [])
        for (const { path, reason } of list) yield { key, path: `virtual_hosts[${JSON.stringify(part)}]${path}`, reason };
    }
  }

  private entryOf(name: string): Kept {
    let entry = this.entries.get(name);
    if (entry === undefined) {
      entry = {
        name,
        bytes: undefined,
        version: '',
        unhonoured: none,
        notes: none,
        parts: undefined,
        refusal: undefined,
        gone: undefined,
        isStale: false,
      };
      this.entries.set(name, entry);
    }
    return entry;
  }
}

/** The key by which a resource is reported. What the model has no kind for is reported with what refers to it. */
export function keyOf(kind: KeptKind, name: string): Problem['key'] {
  if (kind === 'secret') return { kind: 'cluster', name: `secret ${name}` };
  if (kind === 'extension') return { kind: 'listener', name: `extension ${name}` };
  return { kind, name };
}

/** By which a version that was refused is known again without keeping it. */
export function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64url');
}

const maxLists = 10_000;

/** Lists of findings, each once. One for all kinds of a source. */
export class FindingsPool {
  private readonly lists = new Map<string, readonly Finding[]>();
  /** Verdicts come again with the next resource of the same shape. */
  private readonly known = new WeakMap<readonly Finding[], readonly Finding[]>();

  /** The same list for equal findings. */
  share(findings: readonly Finding[]): readonly Finding[] {
    if (findings.length === 0) return none;
    const known = this.known.get(findings);
    if (known !== undefined) return known;
    const text = JSON.stringify(findings);
    let list = this.lists.get(text);
    if (list === undefined) {
      list = findings.map(({ path, reason }) => ({ path, reason }));
      // Findings that name what they are in are as many as the resources: those are not shared.
      if (this.lists.size >= maxLists) this.lists.clear();
      this.lists.set(text, list);
    }
    this.known.set(findings, list);
    return list;
  }
}
