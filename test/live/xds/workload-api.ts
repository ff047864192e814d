import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGoServer } from './go-server.ts';
import type { StatusJson } from './control-plane.ts';

/** What the workload is given; nothing of it = no identity. */
export interface WorkloadEntry {
  readonly svids?: readonly {
    readonly spiffeId: string;
    readonly hint?: string;
    readonly lifetimeMs?: number;
  }[];
  /** Trust domains whose bundles come with the SVIDs. */
  readonly federated?: readonly string[];
  readonly tokenLifetimeMs?: number;
}

/** A call that reached the server. */
export interface WorkloadCall {
  readonly number: number;
  readonly method: string;
  /** What it had as `workload.spiffe.io`. */
  readonly headers: readonly string[] | null;
}

/** PEM. */
export interface IssuedByAuthority {
  readonly certificateChain: string;
  readonly privateKey: string;
  readonly trustBundle: string;
}

/** go-spiffe's Workload API on loopback. */
export interface LiveWorkloadApi extends AsyncDisposable {
  /** `unix:///…`. */
  readonly unix: string;
  /** `tcp://127.0.0.1:port`. */
  readonly tcp: string;
  /** Every stream that is open says the news. */
  setEntry(entry: WorkloadEntry): Promise<void>;
  /** New certificates and keys on every open stream. */
  rotate(): Promise<void>;
  /** Every call, and every open stream, ends with the status; undefined = they are answered. */
  deny(status: StatusJson | undefined): Promise<void>;
  /** The trust domain gets another root and another key for tokens. */
  replaceAuthority(trustDomain: string): Promise<void>;
  /** The authority of the trust domain signs whatever name it is given. */
  issue(
    trustDomain: string,
    names: { readonly spiffeId: string; readonly dnsNames?: readonly string[] },
  ): Promise<IssuedByAuthority>;
  calls(after?: number): Promise<readonly WorkloadCall[]>;
  /** Resolves with the first call after the numbered one that fits; rejects after 15 s. */
  waitForCall(fits: (call: WorkloadCall) => boolean, after?: number): Promise<WorkloadCall>;
  kill(): Promise<void>;
}

const longestWaitMs = 15_000;

/** Starts a Workload API that gives nothing yet. `place` is for a start in the place of one that was killed. */
export async function startWorkloadApi(place?: Pick<LiveWorkloadApi, 'unix' | 'tcp'>): Promise<LiveWorkloadApi> {
  const socket = place === undefined ? join(await temporaryFolder(), 'agent.sock') : new URL(place.unix).pathname;
  const server = await startGoServer<{ unix: string; tcp: string; control: string }>('MESHFETCH_LIVE_WORKLOAD_API', 'spiffe', [
    '-unix',
    socket,
    ...(place === undefined ? [] : ['-tcp', place.tcp.slice('tcp://'.length)]),
  ]);
  const { call } = server;
  const calls = async (after = 0, waitMs = 0): Promise<readonly WorkloadCall[]> =>
    (await call('GET', `/calls?after=${after}&waitMs=${waitMs}`)) as WorkloadCall[];
  return {
    unix: `unix://${socket}`,
    tcp: `tcp://${server.addresses.tcp}`,
    setEntry: async (entry) => void (await call('PUT', '/entry', entry)),
    rotate: async () => void (await call('POST', '/rotate')),
    deny: async (status) => void (await call('PUT', '/denial', status ?? {})),
    replaceAuthority: async (trustDomain) => void (await call('POST', `/authorities/${trustDomain}`)),
    issue: async (trustDomain, names) => (await call('POST', `/authorities/${trustDomain}/issue`, names)) as IssuedByAuthority,
    calls: (after) => calls(after),
    async waitForCall(fits, after = 0) {
      const untilMs = performance.now() + longestWaitMs;
      const seen: WorkloadCall[] = [];
      for (;;) {
        const leftMs = Math.round(untilMs - performance.now());
        if (leftMs <= 0) throw new Error(`no such call in ${longestWaitMs} ms, but ${JSON.stringify(seen)}`);
        const next = await calls(seen.at(-1)?.number ?? after, leftMs);
        const found = next.find(fits);
        if (found !== undefined) return found;
        seen.push(...next);
      }
    },
    kill: () => server.kill(),
    [Symbol.asyncDispose]: () => server.kill(),
  };
}

/** Removed when the process ends: a second server may be started in its place. */
async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'meshfetch-workload-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
