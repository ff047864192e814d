/**
 * Which filter chain a connection meets: generated listeners through a real Envoy, and through the translation and the choice of the
 * mesh. Each chain of Envoy answers with its name; PROXY protocol gives the connections their addresses.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { seededRandom } from '../../../src/base/runtime.ts';
import { chooseChain, compileChainMatch, type ConnectionFacts } from '../../../src/data-plane/inbound/choose-chain.ts';
import { wayIn } from '../../unit/control-plane/xds/inbound/way-in.ts';
import { startEnvoy, type EnvoyProcess } from './envoy-process.ts';

const binary = process.env['MESHFETCH_LIVE_ENVOY'];
const extensions = 'type.googleapis.com/envoy.extensions.filters';
const listenerCount = 60;
const connectionsEach = 12;

const random = seededRandom(7);
const one = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
const some = <T>(values: readonly T[], most = 3): readonly T[] => [
  ...new Set(Array.from({ length: 1 + Math.floor(random() * most) }, () => one(values))),
];
const isDrawn = (share: number): boolean => random() < share;

const addresses = ['10.1.2.3', '10.1.9.9', '10.2.0.1', '192.168.1.1', '127.0.0.1', '203.0.113.5'];
const ranges = [
  ['10.0.0.0', 8],
  ['10.1.0.0', 16],
  ['10.1.2.0', 24],
  ['10.1.2.3', 32],
  ['192.168.0.0', 16],
  ['192.168.1.1', 32],
  ['203.0.113.0', 24],
] as const;
const names = ['a.foo.example.com', 'foo.example.com', 'b.example.com', 'other.org', 'x.other.org'];
const wanted = [
  '*.foo.example.com',
  '*.example.com',
  '*.com',
  'a.foo.example.com',
  'foo.example.com',
  'other.org',
  '*.other.org',
];
const protocols = ['h2', 'http/1.1', 'istio', 'istio-h2'];

function cidrs(): readonly object[] {
  return some(ranges).map(([prefix, length]) => ({ address_prefix: prefix, prefix_len: length }));
}

function drawMatch(): Record<string, unknown> {
  return {
    ...(isDrawn(0.35) && { prefix_ranges: cidrs() }),
    ...(isDrawn(0.5) && { server_names: some(wanted) }),
    ...(isDrawn(0.4) && { transport_protocol: one(['tls', 'raw_buffer']) }),
    ...(isDrawn(0.4) && { application_protocols: some(protocols, 2) }),
    ...(isDrawn(0.2) && { source_type: one(['SAME_IP_OR_LOOPBACK', 'EXTERNAL']) }),
    ...(isDrawn(0.35) && { source_prefix_ranges: cidrs() }),
  };
}

/** Every combination of values that a chain is for: Envoy takes no two chains for one. */
function combinations(match: Record<string, unknown>): readonly string[] {
  let all = [''];
  for (const field of [
    'prefix_ranges',
    'server_names',
    'transport_protocol',
    'application_protocols',
    'source_type',
    'source_prefix_ranges',
  ])
    all = all.flatMap((before) => [match[field] ?? ['-']].flat().map((value) => `${before} ${JSON.stringify(value)}`));
  return all;
}

function chain(name: string, match: Record<string, unknown> | undefined): Record<string, unknown> {
  const direct = { '@type': `${extensions}.network.direct_response.v3.Config`, response: { inline_string: name } };
  const filters = [{ name: 'envoy.filters.network.direct_response', typed_config: direct }];
  return { name, filters, ...(match !== undefined && { filter_chain_match: match }) };
}

function drawListener(index: number): Record<string, unknown> {
  const taken = new Set<string>();
  const chains: Record<string, unknown>[] = [];
  for (let tried = 0; chains.length < 5 && tried < 20; tried++) {
    const match = drawMatch();
    const own = combinations(match);
    if (own.some((each) => taken.has(each))) continue;
    for (const each of own) taken.add(each);
    chains.push(chain(`chain-${chains.length}`, match));
  }
  const inspectors = ['proxy_protocol', 'tls_inspector', 'http_inspector'];
  const types = ['ProxyProtocol', 'TlsInspector', 'HttpInspector'];
  return {
    name: `listener-${index}`,
    address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    listener_filters: inspectors.map((name, position) => ({
      name: `envoy.filters.listener.${name}`,
      typed_config: { '@type': `${extensions}.listener.${name}.v3.${types[position]}` },
    })),
    filter_chains: chains,
    ...(isDrawn(0.3) && { default_filter_chain: chain('default', undefined) }),
  };
}

function drawFacts(): ConnectionFacts {
  const isTls = isDrawn(0.7);
  return {
    isTls,
    serverName: isTls && isDrawn(0.85) ? one(names) : undefined,
    applicationProtocols: isTls ? (isDrawn(0.8) ? some(protocols) : []) : ['http/1.1'],
    sourceAddress: one(addresses),
    localAddress: one(addresses),
  };
}

/** The first bytes that a TLS client sends. */
async function clientHello(serverName: string | undefined, alpn: readonly string[]): Promise<Uint8Array> {
  const written = Promise.withResolvers<Uint8Array>();
  const duplex = new Duplex({
    read() {},
    write(chunk: Uint8Array, _encoding, done) {
      written.resolve(chunk);
      done();
    },
  });
  const client = connectTls({ socket: duplex, servername: serverName ?? '', ALPNProtocols: [...alpn] });
  client.on('error', () => {});
  const bytes = await written.promise;
  client.destroy();
  return bytes;
}

/** The name of the chain that Envoy takes; empty = none. */
async function askEnvoy(port: number, facts: ConnectionFacts): Promise<string> {
  const { isTls, serverName, applicationProtocols, sourceAddress, localAddress } = facts;
  const bytes = isTls ? await clientHello(serverName, applicationProtocols) : Buffer.from('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  const client = connectTcp(port, '127.0.0.1');
  await once(client, 'connect');
  client.write(Buffer.concat([Buffer.from(`PROXY TCP4 ${sourceAddress} ${localAddress} 4000 8080\r\n`), bytes]));
  const answer = await buffer(client).catch(() => Buffer.alloc(0));
  client.destroy();
  return answer.toString('latin1');
}

describe('the filter chain of a connection', { skip: binary === undefined }, () => {
  const listeners = Array.from({ length: listenerCount }, (_each, index) => drawListener(index));
  let envoy: EnvoyProcess;
  before(async () => {
    envoy = await startEnvoy(binary!, { listeners });
  });
  after(() => envoy.stop());

  it(`is the one that Envoy takes, for ${listenerCount * connectionsEach} connections to generated listeners`, async () => {
    const wrong: string[] = [];
    const taken = new Set<string>();
    for (const listener of listeners) {
      const [read] = wayIn(listener).listeners;
      const chains = read!.filterChains.map((config) => ({ config, match: compileChainMatch(config.match) }));
      for (let count = 0; count < connectionsEach; count++) {
        const facts = drawFacts();
        const ours = chooseChain(chains, facts)?.config.name ?? '';
        const theirs = await askEnvoy(envoy.ports.get(String(listener['name']))!, facts);
        taken.add(theirs);
        if (ours !== theirs)
          wrong.push(`${JSON.stringify(facts)}: "${ours}", Envoy "${theirs}", of ${JSON.stringify(listener['filter_chains'])}`);
      }
    }
    assert.deepEqual(wrong, []);
    assert.ok(taken.has('') && taken.has('default') && taken.size >= 6, [...taken].join(' '));
  });
});
