import type { MeshError } from '../../base/errors.ts';

/** One address that a name leads to. `weight` and `priority` are those of an SRV record (RFC 2782: a lower priority is used first). */
export interface DnsAddress {
  readonly address: string;
  readonly port: number;
  readonly family: 4 | 6;
  /** 0 … 65535; 0 means "hardly ever", so a balancer whose weights start at 1 adds 1 or scales. */
  readonly weight?: number;
  readonly priority?: number;
}

/** What a name leads to. Frozen; the arrays stay the same objects while the addresses do. */
export interface DnsAnswer {
  /** Of one family, the preferred one of those that this machine can reach; for SRV, of one family per target. */
  readonly addresses: readonly DnsAddress[];
  /** The other family. */
  readonly alternates: readonly DnsAddress[];
  /** Monotonic milliseconds until which the answer is fresh; in the past when it is stale, `Infinity` for a literal. */
  readonly freshUntilMs: number;
  /** Changes only when addresses or alternates do; never repeats within one resolver. */
  readonly version: number;
  /** Addresses of the answer that the address policy refused, when others were left. */
  readonly refused?: readonly string[];
}

/** A name, and the port to put beside its addresses. Without a port the SRV records of the name are asked for. */
export interface DnsQuestion {
  readonly hostname: string;
  readonly port?: number;
}

/** Hears of a name: its new answer; or the error of a refresh with the last good answer, or undefined when the name is gone. */
export type DnsListener = (answer: DnsAnswer | undefined, error?: MeshError) => void;

/** Names to addresses, cached. */
export interface DnsResolver {
  /**
   * What is known now, fresh or however stale; starts a background refresh when stale. Synchronous, cheap, undefined when nothing is
   * known: then nothing is started.
   */
  peek(question: DnsQuestion): DnsAnswer | undefined;
  /**
   * Waits for an answer, one look-up for all who wait. An expired answer is returned at once and refreshed behind; one that is stale
   * for longer than `staleMs` waits for the refresh, and is returned all the same when that fails. Rejects with MESH_DNS_FAILED, with
   * MESH_CLOSED, or with the signal's reason.
   */
  resolve(question: DnsQuestion, signal?: AbortSignal): Promise<DnsAnswer>;
  /**
   * Keeps the name fresh and calls back after each refresh that changed the addresses, or failed (then with the last good answer, or
   * undefined when the name is gone). Starts a look-up when nothing fresh is known; what is known already is not repeated, so `peek`
   * beside it. A name that nobody asks for is refreshed at its TTL for `staleMs` more and then only every `staleMs`.
   */
  watch(question: DnsQuestion, listener: DnsListener): () => void;
  /** Stops everything; those who wait are rejected with MESH_CLOSED. */
  close(): void;
}
