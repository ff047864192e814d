import { LRUCache } from 'lru-cache';
import { MeshError } from '../../base/errors.ts';
import type { Clock } from '../../base/runtime.ts';
import type { WorkloadApi } from './client.ts';
import { JwtSvid, lifetimeOf } from './jwt-svid.ts';
import { chosenOf, type SvidChoice } from './material.ts';
import { readJwtSvids, writeJwtSvidRequest } from './messages.ts';

/** Audiences come from the program, but may be made of what requests say. */
const maxCached = 100;

/** JWT-SVIDs by audience. A token serves for half of its life; then another one is fetched, and the old one serves while that fails. */
export class JwtSvids {
  private readonly api: WorkloadApi;
  private readonly choice: SvidChoice;
  private readonly clock: Clock;
  private readonly cached = new LRUCache<string, { readonly svid: JwtSvid; readonly refreshAtMs: number }>({ max: maxCached });
  /** Fetches under way: many requests at once need one token. */
  private readonly fetching = new Map<string, Promise<JwtSvid>>();

  constructor(api: WorkloadApi, choice: SvidChoice, clock: Clock) {
    this.api = api;
    this.choice = choice;
    this.clock = clock;
  }

  /** Throws a TypeError without an audience; rejects with a MeshError when there is no token. */
  async fetch(audience: string | readonly string[], spiffeId = this.choice.spiffeId): Promise<JwtSvid> {
    const names = [...new Set(typeof audience === 'string' ? [audience] : audience)].toSorted();
    if (names.length === 0 || names.some((name) => typeof name !== 'string' || name === ''))
      throw new TypeError('a JWT-SVID is for an audience: name the service that will check it');
    const key = JSON.stringify([names, spiffeId]);
    const now = this.clock.wallNow();
    const known = this.cached.get(key);
    if (known !== undefined && now < known.refreshAtMs) return known.svid;
    let fetching = this.fetching.get(key);
    if (fetching === undefined) {
      fetching = this.ask(key, names, spiffeId).finally(() => this.fetching.delete(key));
      this.fetching.set(key, fetching);
    }
    try {
      return await fetching;
    } catch (error) {
      if (known !== undefined && this.clock.wallNow() < known.svid.expiresAtMs) return known.svid;
      throw error;
    }
  }

  /** Nothing that was fetched before is given out any more: the workload is another one, or has other keys. */
  forget(): void {
    this.cached.clear();
  }

  private async ask(key: string, audience: readonly string[], spiffeId: string | undefined): Promise<JwtSvid> {
    const askedMs = this.clock.wallNow();
    const svids = readJwtSvids(await this.api.ask('FetchJWTSVID', writeJwtSvidRequest(audience, spiffeId)));
    const found = svids && chosenOf(svids, { ...this.choice, ...(spiffeId !== undefined && { spiffeId }) });
    const lifetime = found && lifetimeOf(found.token);
    if (found === undefined || lifetime === undefined || lifetime.expiresAtMs <= askedMs)
      throw new MeshError(
        'MESH_CONTROL_PLANE',
        `the SPIFFE Workload API gave no JWT-SVID for ${audience.join(', ')} that can be used (${reasonOf(svids, found, lifetime)}); see the log of the agent`,
      );
    const svid = new JwtSvid(found.token, found.spiffeId, audience, lifetime.expiresAtMs);
    const issuedMs = Math.min(askedMs, lifetime.issuedAtMs ?? askedMs);
    this.cached.set(key, { svid, refreshAtMs: issuedMs + (lifetime.expiresAtMs - issuedMs) / 2 });
    return svid;
  }
}

function reasonOf(svids: unknown, found: unknown, lifetime: unknown): string {
  if (svids === undefined) return 'the answer is no JWTSVIDResponse';
  if (found === undefined) return 'none is for the identity that was asked for';
  return lifetime === undefined ? 'it is no JWT with an `exp`' : 'it has expired already; compare the clocks';
}
