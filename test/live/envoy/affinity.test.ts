/**
 * Sessions and hashing beside a real Envoy, over the same endpoints by the same resources: each takes the session of the other, and
 * both send a request to the same endpoint, its retries and what a bounded load passes on included.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { createMesh, type Mesh } from 'meshfetch';
import { request } from 'undici';
import { encodeToken } from '../../../src/data-plane/routing/session-token.ts';
import { envoyPlane } from '../../support/envoy-plane.ts';
import { startEnvoy, type EnvoyProcess } from './envoy-process.ts';

const binary = process.env['MESHFETCH_LIVE_ENVOY'];
const extensions = 'type.googleapis.com/envoy.extensions';

/** An endpoint that answers with its address, and holds what is asked of `/hold` until it is let go. */
class Endpoint {
  readonly held: ServerResponse[] = [];
  private readonly server = createServer((asked, response) => this.answer(asked, response));

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async start(): Promise<void> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private answer(asked: IncomingMessage, response: ServerResponse): void {
    if (asked.headers['x-fail'] === this.address) response.statusCode = 503;
    response.setHeader('x-endpoint', this.address);
    if (!asked.url!.startsWith('/hold')) response.end();
    else {
      response.flushHeaders();
      this.held.push(response);
    }
  }
}

const endpoints = Array.from({ length: 6 }, () => new Endpoint());
let envoy: EnvoyProcess;
let mesh: Mesh;

function clusterOf(name: string, more: object, weights: readonly number[] = [1, 1, 1, 1, 1, 1]): object {
  const ofEndpoints = endpoints.map(({ port }, index) => ({
    endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } },
    load_balancing_weight: weights[index],
  }));
  return {
    name,
    type: 'STATIC',
    connect_timeout: '1s',
    // The mesh has a smaller budget where nothing is said.
    circuit_breakers: { thresholds: [{ retry_budget: { budget_percent: { value: 100 }, min_retry_concurrency: 10 } }] },
    ...more,
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: ofEndpoints }] },
  };
}

function sessionBy(state: object): object {
  const session = { '@type': `${extensions}.filters.http.stateful_session.v3.StatefulSessionPerRoute`, stateful_session: state };
  return { typed_per_filter_config: { 'envoy.filters.http.stateful_session': session } };
}

function byCookie(path: string, ttl?: string): object {
  const cookie = { name: 'sess', path, ...(ttl !== undefined && { ttl }) };
  const typed = { '@type': `${extensions}.http.stateful_session.cookie.v3.CookieBasedSessionState`, cookie };
  return sessionBy({ session_state: { name: 'envoy.http.stateful_session.cookie', typed_config: typed } });
}

function byHeader(name: string): object {
  const typed = { '@type': `${extensions}.http.stateful_session.header.v3.HeaderBasedSessionState`, name };
  return sessionBy({ session_state: { name: 'envoy.http.stateful_session.header', typed_config: typed } });
}

function routeTo(prefix: string, cluster: string, action: object = {}, more: object = {}): object {
  return { match: { prefix }, route: { cluster, timeout: '10s', ...action }, ...more };
}

const hashPolicies = {
  key: [{ header: { header_name: 'x-key' } }],
  chain: [{ header: { header_name: 'x-key' } }, { query_parameter: { name: 'k' } }, { cookie: { name: 'hk' } }],
  terminal: [{ header: { header_name: 'x-key' }, terminal: true }, { query_parameter: { name: 'k' } }],
  rewritten: [
    { header: { header_name: 'x-key', regex_rewrite: { pattern: { regex: '^(.).*-(\\d+)$' }, substitution: '\\2\\1' } } },
  ],
  path: [{ header: { header_name: ':path' } }],
} as const;

const retryElsewhere = {
  retry_policy: {
    retry_on: '5xx',
    num_retries: 1,
    retry_host_predicate: [
      {
        name: 'envoy.retry_host_predicates.previous_hosts',
        typed_config: { '@type': `${extensions}.retry.host.previous_hosts.v3.PreviousHostsPredicate` },
      },
    ],
    host_selection_retry_max_attempts: 60,
  },
};

const weights = [1, 2, 3, 1, 5, 2];
/** Clusters that hash, by the name that their routes begin with. */
const hashing: Readonly<Record<string, () => object>> = {
  ring: () => clusterOf('ring', { lb_policy: 'RING_HASH' }),
  murmur: () => clusterOf('murmur', { lb_policy: 'RING_HASH', ring_hash_lb_config: { hash_function: 'MURMUR_HASH_2' } }, weights),
  small: () =>
    clusterOf(
      'small',
      { lb_policy: 'RING_HASH', ring_hash_lb_config: { minimum_ring_size: 50, maximum_ring_size: 77 } },
      weights,
    ),
  maglev: () => clusterOf('maglev', { lb_policy: 'MAGLEV' }),
  prime: () => clusterOf('prime', { lb_policy: 'MAGLEV', maglev_lb_config: { table_size: 307 } }, weights),
};
const bounded: Readonly<Record<string, () => object>> = Object.fromEntries(
  ['RING_HASH', 'MAGLEV'].map((policy) => {
    const name = `bounded-${policy}`;
    const common = { common_lb_config: { consistent_hashing_lb_config: { hash_balance_factor: 120 } } };
    return [name, () => clusterOf(name, { lb_policy: policy, ...common }, weights)];
  }),
);

function resources(): { readonly routes: object; readonly clusters: readonly object[] } {
  const plain = { typed_per_filter_config: { 'envoy.filters.http.stateful_session': disabled } };
  const routes = [
    routeTo('/cookie', 'plain', {}, byCookie('/cookie')),
    routeTo('/ttl', 'plain', {}, byCookie('/ttl', '60s')),
    routeTo('/header', 'plain', {}, byHeader('x-session')),
    ...Object.keys(hashing).flatMap((cluster) =>
      Object.entries(hashPolicies).map(([name, policy]) =>
        routeTo(`/${cluster}/${name}`, cluster, { hash_policy: policy, ...retryElsewhere }, plain),
      ),
    ),
    ...Object.keys(bounded).map((cluster) => routeTo(`/hold/${cluster}`, cluster, { hash_policy: hashPolicies.key }, plain)),
  ];
  const clusters = [clusterOf('plain', {}), ...Object.values({ ...hashing, ...bounded }).map((make) => make())];
  return {
    routes: {
      '@type': 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
      name: 'routes',
      virtual_hosts: [{ name: 'orders', domains: ['orders'], routes }],
    },
    clusters,
  };
}

const disabled = { '@type': `${extensions}.filters.http.stateful_session.v3.StatefulSessionPerRoute`, disabled: true };

function listenerOf(routes: object): object {
  const filters = [
    {
      name: 'envoy.filters.http.stateful_session',
      typed_config: { '@type': `${extensions}.filters.http.stateful_session.v3.StatefulSession` },
    },
    { name: 'envoy.filters.http.router', typed_config: { '@type': `${extensions}.filters.http.router.v3.Router` } },
  ];
  const { '@type': _type, ...routeConfig } = routes as Record<string, unknown>;
  const manager = {
    '@type': `${extensions}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'orders',
    http_filters: filters,
    route_config: routeConfig,
  };
  return {
    name: 'orders',
    address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }],
  };
}

interface Asked {
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
}

interface Answer {
  readonly status: number;
  readonly endpoint: string;
  readonly setCookie: string | undefined;
  readonly session: string | undefined;
}

type Side = (asked: Asked) => Promise<Answer>;

function answerFrom(status: number, headers: Record<string, string | string[] | undefined>): Answer {
  const { 'x-endpoint': endpoint, 'set-cookie': cookies, 'x-session': session } = headers;
  return { status, endpoint: String(endpoint), setCookie: [cookies ?? []].flat()[0], session: session as string | undefined };
}

/** Through Envoy. A response that is held is answered with its head. */
const throughEnvoy: Side = async ({ path, headers = {} }) => {
  const sent = httpRequest({
    host: '127.0.0.1',
    port: envoy.ports.get('orders')!,
    path,
    headers: { ...headers, host: 'orders' },
    agent: false,
  });
  sent.end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.resume();
  return answerFrom(response.statusCode!, response.headers);
};

const throughMesh: Side = async ({ path, headers = {} }) => {
  const response = await request(`http://orders${path}`, { dispatcher: mesh.dispatcher, headers: { ...headers } });
  // Whatever is held ends with an error when its endpoint closes.
  response.body.on('error', () => {}).resume();
  return answerFrom(response.statusCode, response.headers);
};

const cookieOf = (answer: Answer): string => answer.setCookie!.split(';')[0]!;

describe('beside Envoy', { skip: binary === undefined && 'npm run live -- envoy gets a real Envoy ready' }, () => {
  before(async () => {
    await Promise.all(endpoints.map((endpoint) => endpoint.start()));
    const { routes, clusters } = resources();
    envoy = await startEnvoy(binary!, { listeners: [listenerOf(routes)], clusters });
    mesh = await createMesh({ controlPlane: envoyPlane([routes, ...clusters]), unknownHosts: 'refuse', drainTimeoutMs: 0 });
  });
  after(async () => {
    await mesh?.close();
    await envoy?.stop();
    for (const endpoint of endpoints) endpoint.close();
  });

  const pairs: readonly { name: string; from: Side; to: Side }[] = [
    { name: 'a session that Envoy began goes on in the mesh', from: throughEnvoy, to: throughMesh },
    { name: 'a session that the mesh began goes on in Envoy', from: throughMesh, to: throughEnvoy },
  ];
  for (const { name, from, to } of pairs) {
    for (const path of ['/cookie', '/ttl']) {
      it(`${name}: ${path}`, async () => {
        for (let client = 0; client < 8; client++) {
          const begun = await from({ path });
          for (let turn = 0; turn < 3; turn++) {
            const next = await to({ path: `${path}/next`, headers: { cookie: cookieOf(begun) } });
            assert.equal(next.endpoint, begun.endpoint);
            assert.equal(next.setCookie, undefined);
          }
        }
      });
    }

    it(`${name}: /header`, async () => {
      for (let client = 0; client < 8; client++) {
        const begun = await from({ path: '/header' });
        const next = await to({ path: '/header', headers: { 'x-session': begun.session! } });
        assert.equal(next.endpoint, begun.endpoint);
        assert.equal(next.session, undefined);
      }
    });
  }

  it('the cookie of a session has the same words', async () => {
    const ofEnvoy = await throughEnvoy({ path: '/ttl' });
    const ofMesh = await throughMesh({ path: '/ttl' });
    const words = (answer: Answer): string => answer.setCookie!.replace(/"[^"]*"/, '""');
    assert.equal(words(ofMesh), words(ofEnvoy));
  });

  it('both begin anew after the end of a session, and with a cookie that says nothing', async () => {
    const { address } = endpoints[3]!;
    const seconds = Math.floor(Date.now() / 1000);
    const tokens = [
      encodeToken({ address, expiresSeconds: seconds - 5, idleUntilSeconds: 0 }),
      encodeToken({ address: '192.0.2.1:80', expiresSeconds: 0, idleUntilSeconds: 0 }),
      encodeToken({ address, expiresSeconds: 0, idleUntilSeconds: 0 }).slice(0, -1),
      'zzzz',
    ];
    for (const side of [throughEnvoy, throughMesh]) {
      for (const token of tokens) {
        const answers = await Promise.all(endpoints.map(() => side({ path: '/cookie', headers: { cookie: `sess="${token}"` } })));
        assert.ok(
          answers.every(({ setCookie }) => setCookie !== undefined),
          token,
        );
        assert.equal(new Set(answers.map(({ endpoint }) => endpoint)).size, endpoints.length, token);
      }
    }
  });

  it('both take the address as it stands, and a token with fields of others', async () => {
    const { address } = endpoints[2]!;
    const tokens = [
      Buffer.from(address).toString('base64'),
      encodeToken({ address, expiresSeconds: 0, idleUntilSeconds: Math.floor(Date.now() / 1000) + 60 }),
    ];
    for (const side of [throughEnvoy, throughMesh])
      for (const token of tokens)
        assert.equal((await side({ path: '/cookie', headers: { cookie: `sess="${token}"` } })).endpoint, address);
  });

  for (const cluster of Object.keys(hashing)) {
    it(`requests go to the same endpoint by ${cluster}, whatever is hashed`, async () => {
      const asked = Object.keys(hashPolicies).flatMap((policy) =>
        Array.from({ length: 24 }, (_, index): Asked => {
          const value = `${'abc'[index % 3]}-${index * 7919}`;
          const several = index % 4 === 0 ? [`z${value}`, value, `b${value}`] : value;
          const headers = {
            ...(index % 5 !== 0 && { 'x-key': several }),
            ...(index % 2 === 0 && { cookie: `a=1; hk="${value}"` }),
          };
          return { path: `/${cluster}/${policy}/${index}?k=%41${index % 7}+x&k=2`, headers };
        }),
      );
      // What has no hash goes anywhere.
      const hashed = asked.filter(({ path, headers }) => /terminal|chain|path/.test(path) || headers!['x-key'] !== undefined);
      const picked = new Set<string>();
      for (const one of hashed) {
        const [ofEnvoy, ofMesh] = await Promise.all([throughEnvoy(one), throughMesh(one)]);
        assert.equal(ofMesh.endpoint, ofEnvoy.endpoint, JSON.stringify(one));
        picked.add(ofMesh.endpoint);
      }
      assert.ok(picked.size > 3);
    });

    it(`retries go to the same other endpoint by ${cluster}`, async () => {
      for (let key = 0; key < 24; key++) {
        const path = `/${cluster}/key`;
        const { endpoint } = await throughEnvoy({ path, headers: { 'x-key': `key-${key}` } });
        const failing: Asked = { path, headers: { 'x-key': `key-${key}`, 'x-fail': endpoint } };
        const [ofEnvoy, ofMesh] = [await throughEnvoy(failing), await throughMesh(failing)];
        assert.notEqual(ofEnvoy.endpoint, endpoint);
        assert.deepEqual([ofMesh.status, ofMesh.endpoint], [ofEnvoy.status, ofEnvoy.endpoint]);
      }
    });
  }

  for (const cluster of Object.keys(bounded)) {
    it(`what a bounded load passes on goes to the same endpoint by ${cluster}`, async () => {
      // Every response stays in flight; the fortieth request meets what the 39 before it left.
      const order: Record<string, string[]> = {};
      for (const [name, side] of Object.entries({ envoy: throughEnvoy, mesh: throughMesh })) {
        order[name] = [];
        for (let index = 0; index < 40; index++) {
          const answer = await side({ path: `/hold/${cluster}`, headers: { 'x-key': `key-${index % 3}` } });
          order[name].push(answer.endpoint);
        }
        for (const { held } of endpoints) for (const response of held.splice(0)) response.end();
      }
      assert.deepEqual(order['mesh'], order['envoy']);
      // Three keys alone would use three endpoints.
      assert.ok(new Set(order['mesh']).size > 3);
    });
  }
});
