import { startGoServer } from './go-server.ts';

/** A resource in the JSON form of protobuf, with proto or lowerCamelCase names; an Any has `@type`. */
type ResourceJson = Readonly<Record<string, unknown>>;

/** What nodes get. Of a part whose version is as before, State of the World says nothing new. */
export interface SnapshotJson {
  readonly version: string;
  /** Versions of single parts. */
  readonly versions?: Readonly<Partial<Record<SnapshotPart, string>>>;
  readonly listeners?: readonly ResourceJson[];
  readonly routes?: readonly ResourceJson[];
  readonly clusters?: readonly ResourceJson[];
  readonly endpoints?: readonly ResourceJson[];
  readonly secrets?: readonly ResourceJson[];
  readonly extensions?: readonly ResourceJson[];
}
type SnapshotPart = 'listeners' | 'routes' | 'clusters' | 'endpoints' | 'secrets' | 'extensions';

/** What happened at the control plane, in order. */
export interface ControlPlaneEvent {
  readonly number: number;
  /** `request` answers nothing; `ack` and `nack` do. */
  readonly kind: 'open' | 'close' | 'request' | 'ack' | 'nack' | 'response' | 'garbage' | 'load';
  /** Number of the stream, from 1. */
  readonly stream: number;
  readonly variant: 'state-of-the-world' | 'delta' | 'load';
  readonly node?: string;
  readonly typeUrl?: string;
  readonly version?: string;
  readonly nonce?: string;
  /** Of a request: subscribed; of a delta response: the resources. */
  readonly names?: readonly string[];
  /** Unsubscribed, or removed. */
  readonly removed?: readonly string[];
  /** Delta: the versions that the client has. */
  readonly known?: Readonly<Record<string, string>>;
  readonly code?: number;
  readonly message?: string;
  readonly bytes?: number;
  /** The node, or the load report, as JSON. */
  readonly body?: unknown;
}

/** A resource of an answer that the control plane would not make: any bytes, under any type URL. */
export interface InjectedAnswer {
  readonly variant: 'state-of-the-world' | 'delta';
  readonly typeUrl: string;
  readonly version: string;
  readonly nonce: string;
  readonly resources: readonly { readonly name: string; readonly typeUrl: string; readonly value: Uint8Array }[];
  /** Delta only. */
  readonly removed?: readonly string[];
}

/** A status of gRPC by its name: `UNAVAILABLE`. */
export interface StatusJson {
  readonly code: string;
  readonly message?: string;
}

/** go-control-plane on loopback. */
export interface LiveControlPlane extends AsyncDisposable {
  /** `127.0.0.1:port`, plaintext. */
  readonly address: string;
  /** The same with mutual TLS, where it was asked for. */
  readonly mtlsAddress: string | undefined;
  /** `*` = every node that has no snapshot of its own when its stream opens. */
  setSnapshot(snapshot: SnapshotJson, node?: string): Promise<void>;
  clearSnapshot(node?: string): Promise<void>;
  /** All events after the numbered one. */
  events(after?: number): Promise<readonly ControlPlaneEvent[]>;
  /** The first event after the numbered one that fits; rejects after 10 s with what there was instead. */
  waitFor(fits: (event: ControlPlaneEvent) => boolean, after?: number): Promise<ControlPlaneEvent>;
  /** Ends every stream with the status; gives their number. */
  drop(status: StatusJson): Promise<number>;
  /** Breaks every connection off; gives their number. */
  reset(): Promise<number>;
  /** New streams end with the status at once; undefined = they are served. */
  refuse(status: StatusJson | undefined): Promise<void>;
  /** Nothing is sent while it is true. */
  hang(isHeld: boolean): Promise<void>;
  /** On every open stream of the variant; gives their number. */
  inject(answer: InjectedAnswer): Promise<number>;
  /** Sends a frame that is no message on every stream of the variant; gives their number. */
  garbage(variant: ControlPlaneEvent['variant'], bytes: Uint8Array): Promise<number>;
  /** What load reporting clients are asked for from now on (`envoy.service.load_stats.v3.LoadStatsResponse`). */
  askForLoad(response: ResourceJson): Promise<void>;
  kill(): Promise<void>;
}

/** PEM files, read for each handshake. */
export interface MutualTlsFiles {
  readonly certificate: string;
  readonly privateKey: string;
  readonly ca: string;
}

const longestWaitMs = 10_000;

/** Starts a control plane that has no snapshot yet. Addresses are for a start in the place of one that was killed. */
export async function startControlPlane(
  options: { readonly mtls?: MutualTlsFiles; readonly address?: string; readonly mtlsAddress?: string } = {},
): Promise<LiveControlPlane> {
  const { mtls, address = '127.0.0.1:0', mtlsAddress = '127.0.0.1:0' } = options;
  const secured = mtls && ['-mtls', mtlsAddress, '-cert', mtls.certificate, '-key', mtls.privateKey, '-ca', mtls.ca];
  const server = await startGoServer<{ plaintext: string; mtls?: string; control: string }>(
    'MESHFETCH_LIVE_XDS_CONTROL_PLANE',
    'xds',
    ['-plaintext', address, ...(secured ?? [])],
  );
  const { call } = server;
  const events = async (after = 0, waitMs = 0): Promise<readonly ControlPlaneEvent[]> =>
    (await call('GET', `/events?after=${after}&waitMs=${waitMs}`)) as ControlPlaneEvent[];

  return {
    address: server.addresses.plaintext,
    mtlsAddress: server.addresses.mtls,
    setSnapshot: async (snapshot, node = '*') => void (await call('PUT', `/snapshots/${encodeURIComponent(node)}`, snapshot)),
    clearSnapshot: async (node = '*') => void (await call('DELETE', `/snapshots/${encodeURIComponent(node)}`)),
    events: (after) => events(after),
    async waitFor(fits, after = 0) {
      const untilMs = performance.now() + longestWaitMs;
      const seen: ControlPlaneEvent[] = [];
      for (;;) {
        const leftMs = Math.round(untilMs - performance.now());
        if (leftMs <= 0) throw new Error(`no such event in ${longestWaitMs} ms, but:\n${seen.map(lineOf).join('\n')}`);
        const next = await events(seen.at(-1)?.number ?? after, leftMs);
        const found = next.find(fits);
        if (found !== undefined) return found;
        seen.push(...next);
      }
    },
    drop: async (status) => (await call('POST', '/drop', status)) as number,
    reset: async () => (await call('POST', '/reset')) as number,
    refuse: async (status) => void (await call('PUT', '/refuse', status ?? {})),
    hang: async (isHeld) => void (await call('PUT', '/hang', { isHeld })),
    inject: async ({ resources, ...answer }) =>
      (await call('POST', '/inject', {
        ...answer,
        resources: resources.map(({ value, ...resource }) => ({ ...resource, value: Buffer.from(value).toString('base64') })),
      })) as number,
    garbage: async (variant, bytes) =>
      (await call('POST', '/garbage', { variant, bytes: Buffer.from(bytes).toString('base64') })) as number,
    askForLoad: async (response) => void (await call('PUT', '/load', response)),
    kill: () => server.kill(),
    [Symbol.asyncDispose]: () => server.kill(),
  };
}

/** Bodies are long. */
function lineOf(event: ControlPlaneEvent): string {
  return JSON.stringify({ ...event, body: undefined });
}
