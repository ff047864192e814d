/**
 * What the way in costs per request: from `admit` to the end of the response, with the real pipeline. Only the server is replaced, by
 * objects that have what the mesh reads of Node's.
 */
import { createHmac } from 'node:crypto';
import { systemClock, systemRandom } from '../../src/base/runtime.ts';
import { createInbound } from '../../src/data-plane/inbound/create-inbound.ts';
import { inboundPeer } from '../../src/data-plane/inbound/inbound-peer.ts';
import type { InboundPort } from '../../src/data-plane/inbound/inbound-port.ts';
import type { Inbound } from '../../src/data-plane/inbound.ts';
import type { AuthorizationPolicyConfig } from '../../src/model/authorization.ts';
import type { InboundRefusal, InboundRequest, InboundResponse, MeshRequest } from '../../src/model/inbound.ts';
import type { FilterChainConfig } from '../../src/model/listener.ts';
import { createIdentityStore } from '../../src/security/identity-store.ts';
import { createTelemetry } from '../../src/telemetry/telemetry.ts';
import { sink, type MicroRow } from './operation.ts';

const port = 8080;
const spiffeId = 'spiffe://cluster.local/ns/shop/sa/web';
const identity = { spiffeId, trustDomain: 'cluster.local', uris: [spiffeId], dnsNames: [], ipAddresses: [], emails: [] };
const connection = {
  isTls: true,
  protocol: 'http/1.1',
  serverName: 'orders.shop.svc',
  offeredAlpn: ['http/1.1'],
  directAddress: '10.0.0.7',
  peerAddress: '10.0.0.7',
  localAddress: '10.0.0.8',
  localPort: port,
  peer: inboundPeer(identity, '10.0.0.7'),
  identity,
  certificate: undefined,
} as const;

const rawHeaders = [
  'Host',
  'orders',
  'Accept',
  'application/json',
  'Accept-Encoding',
  'gzip, deflate',
  'User-Agent',
  'undici',
  'Content-Type',
  'application/json',
  'Connection',
  'keep-alive',
];
const socket = {};

type View = Record<string, string | string[] | undefined>;

/** What the mesh reads of a request of `node:http`, whose views of the headers are made when they are read. */
class BareRequest implements InboundRequest {
  readonly method = 'GET';
  url = '/api/items?page=2';
  readonly httpVersionMajor = 1;
  rawHeaders: string[];
  readonly socket = socket;
  mesh: MeshRequest | undefined = undefined;
  complete = false;
  headersDistinct: View | undefined = undefined;
  private seen: View | undefined = undefined;

  constructor(raw: readonly string[]) {
    this.rawHeaders = raw.slice();
  }

  get headers(): View {
    return (this.seen ??= viewOf(this.rawHeaders));
  }

  set headers(view: View | undefined) {
    this.seen = view;
  }

  /** As Node's: it keeps the lines, and makes nothing of them yet. */
  _addHeaderLines(lines: string[], _length: number): void {
    this.rawHeaders = lines;
  }
}

function viewOf(raw: readonly string[]): View {
  const view: View = {};
  for (let index = 0; index < raw.length; index += 2) view[raw[index]!.toLowerCase()] = raw[index + 1]!;
  return view;
}

class BareResponse implements InboundResponse {
  statusCode = 200;
  headersSent = false;
  writableEnded = false;
  private onClose: (() => void) | undefined = undefined;

  setHeader(): void {}
  getHeader(): undefined {
    return undefined;
  }
  writeHead(): void {}
  get writableFinished(): boolean {
    return this.writableEnded;
  }
  end(): void {}
  on(_event: 'close' | 'finish', listener: () => void): void {
    this.onClose = listener;
  }
  /** Answers, as the program or the mesh would. */
  finish(): void {
    this.headersSent = true;
    this.writableEnded = true;
    this.onClose?.();
  }
}

function wayIn(chain: Partial<FilterChainConfig>): { readonly inbound: Inbound; readonly open: InboundPort } {
  const telemetry = createTelemetry({ meshName: 'bench', clock: systemClock });
  const inbound = createInbound({
    name: 'bench',
    clock: systemClock,
    random: systemRandom,
    telemetry,
    identities: createIdentityStore({ clock: systemClock }),
    workloads: undefined,
    sources: { guards: () => false, rejected: () => [], listening: () => () => {}, isAskedByPort: () => false },
    toCluster: () => {
      throw new Error('nobody is asked');
    },
  });
  const config = {
    direction: 'inbound',
    name: 'in',
    mode: 'strict',
    filterChains: [{ name: 'http', match: {}, authorization: [], ...chain }],
  } as const;
  inbound.apply({
    version: '1',
    sources: [
      {
        source: 'bench',
        version: '1',
        listeners: new Map([['in', config]]),
        routeTables: new Map(),
        clusters: new Map(),
        endpoints: new Map(),
      },
    ],
  });
  inbound.introduce(socket, connection);
  return { inbound, open: inbound.open(port, {}) };
}

function request(name: string, chain: Partial<FilterChainConfig>, more: readonly string[] = [], isRefused = false): MicroRow {
  return {
    name,
    async create() {
      const { inbound, open } = wayIn(chain);
      const raw = [...rawHeaders, ...more];
      const once = (): void => {
        const response = new BareResponse();
        inbound.admit(open, new BareRequest(raw), response, (refusal) => {
          sink.value = refusal;
          response.finish();
        });
      };
      // What has to be waited for once (the signature of a token) is there afterwards.
      await new Promise((resolve) => inbound.admit(open, new BareRequest(raw), new BareResponse(), resolve));
      sink.value = open;
      once();
      if (sink.value === open) throw new Error(`${name}: it is waited for each time`);
      if ((sink.value === undefined) === isRefused)
        throw new Error(`${name}: ${(sink.value as InboundRefusal | undefined)?.details}`);
      return {
        run(count) {
          for (let index = 0; index < count; index++) once();
        },
      };
    },
  };
}

const any = { kind: 'any' } as const;
const authorization: readonly AuthorizationPolicyConfig[] = [
  {
    name: 'no-admin',
    action: 'deny',
    rules: [{ name: 'admin', principals: [any], permissions: [{ kind: 'path', match: { kind: 'prefix', value: '/admin' } }] }],
  },
  {
    name: 'callers',
    action: 'allow',
    rules: ['cart', 'search', 'web'].map((account) => ({
      name: account,
      principals: [{ kind: 'identity', match: { kind: 'exact', value: `spiffe://cluster.local/ns/shop/sa/${account}` } }],
      permissions: [
        {
          kind: 'all',
          of: [
            { kind: 'method', match: { kind: 'exact', value: 'GET' } },
            { kind: 'path', match: { kind: 'prefix', value: '/api/' } },
          ],
        },
      ],
    })),
  },
];
const bucket = { maxTokens: 1e9, tokensPerFill: 1e9, fillIntervalMs: 1000 };
const guarded = { authorization, rateLimit: { ...bucket, perIdentity: bucket } };

const secret = Buffer.alloc(32, 7);
const jwt = [
  {
    name: 'issuer',
    issuer: 'bench',
    audiences: ['orders'],
    jwks: {
      kind: 'inline',
      document: JSON.stringify({ keys: [{ kty: 'oct', kid: '1', alg: 'HS256', k: secret.toString('base64url') }] }),
    },
  },
] as const;

function token(): string {
  const section = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { iss: 'bench', sub: 'alice', aud: 'orders', exp: 4_102_444_800 };
  const input = `${section({ alg: 'HS256', kid: '1' })}.${section(claims)}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

export const rows: readonly MicroRow[] = [
  request('way in, without a policy', {}),
  request('way in, with authorization and rate limits', guarded),
  request('way in, and a header to hand on', guarded, ['X-Request-Id', '7f3c0d5e-1b5a-4c0e-9d53-0a1b2c3d4e5f']),
  request('way in, and a token that was verified before', { ...guarded, jwt }, ['Authorization', `Bearer ${token()}`]),
  request('way in, and a cap on requests', { ...guarded, admission: { maxRequests: 1000 } }),
  request('way in, denied', { authorization: [{ name: 'nobody', action: 'allow', rules: [] }] }, [], true),
  {
    name: 'way in: the harness alone',
    create() {
      return {
        run(count) {
          for (let index = 0; index < count; index++) {
            const response = new BareResponse();
            response.on('close', () => {
              sink.value = undefined;
            });
            // A program reads them in any case.
            sink.value = new BareRequest(rawHeaders).headers;
            response.finish();
          }
        },
      };
    },
  },
];
