/** Whatever a server sends in place of a resource: it is read or refused in bounded time, and nothing is thrown. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { seededRandom } from '../../../../../src/base/runtime.ts';
import { clusterFrom } from '../../../../../src/control-plane/xds/translate/cluster.ts';
import { endpointsFrom } from '../../../../../src/control-plane/xds/translate/endpoints.ts';
import { outboundListenersFrom } from '../../../../../src/control-plane/xds/translate/listener.ts';
import { Findings, type Message } from '../../../../../src/control-plane/xds/translate/message.ts';
import { routeTableFrom } from '../../../../../src/control-plane/xds/translate/route-configuration.ts';
import { translated } from '../../../../../src/control-plane/xds/translate/translated.ts';
import { endpointsFromWire } from '../../../../../src/control-plane/xds/wire/endpoints-from-wire.ts';
import { messageFromWire } from '../../../../../src/control-plane/xds/wire/message-from-wire.ts';
import { parseResources } from '../../../../../src/control-plane/xds/parse-resources.ts';
import { ProtobufWriter } from '../../../../../src/wire/protobuf.ts';
import { envoyBytes } from '../../../../support/envoy-bytes.ts';

interface Kind {
  readonly type: string;
  readonly read: (message: Message) => unknown;
}

const listener: Kind = { type: 'envoy.config.listener.v3.Listener', read: (message) => outboundListenersFrom(message, {}) };
const routes: Kind = { type: 'envoy.config.route.v3.RouteConfiguration', read: (message) => routeTableFrom(message, {}) };
const cluster: Kind = { type: 'envoy.config.cluster.v3.Cluster', read: clusterFrom };
const endpoints: Kind = {
  type: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  read: (message) => endpointsFrom(message, ''),
};

const folder = new URL('../../../../golden/xds/', import.meta.url);

/** Small ones, so that many are read in little time. */
const maxSeedBytes = 1500;

function seedsOf(json: object): readonly { bytes: Buffer; kind: Kind }[] {
  const { static_resources: inner } = json as { readonly static_resources?: Readonly<Record<string, readonly object[]>> };
  const resources = inner === undefined ? [json] : Object.values(inner).flat();
  return resources.flatMap((resource) => {
    let kind = cluster;
    if ('virtual_hosts' in resource) kind = routes;
    else if ('filter_chains' in resource) kind = listener;
    else if ('endpoints' in resource) kind = endpoints;
    try {
      return [{ bytes: Buffer.from(envoyBytes(resource, kind.type)), kind }];
    } catch (error) {
      assert.ok(error instanceof TypeError);
      return []; // A test of JSON alone.
    }
  });
}

const seeds = readdirSync(folder)
  .filter((file) => file.endsWith('.in.yaml'))
  .flatMap((file) => parseResources(readFileSync(new URL(file, folder), 'utf8')))
  .flatMap(seedsOf)
  .filter(({ bytes }) => bytes.length <= maxSeedBytes);

function readAll(bytes: Uint8Array, { type, read }: Kind): void {
  const findings = new Findings();
  const message = messageFromWire(bytes, type, '', findings);
  translated(message && read(message), findings);
  if (type === endpoints.type) endpointsFromWire(bytes);
}

/** Bytes with a few of them changed, left out, doubled, or cut off. */
function mutated(seed: Buffer, other: Buffer, random: () => number): Buffer {
  const pick = (count: number): number => Math.floor(random() * count);
  let bytes = Buffer.from(seed);
  for (let changes = 1 + pick(4); changes > 0; changes--) {
    const at = pick(bytes.length + 1);
    switch (pick(5)) {
      case 0:
        if (at < bytes.length) bytes[at] = pick(256);
        break;
      case 1:
        if (at < bytes.length) bytes[at]! ^= 1 << pick(8);
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + pick(8))]);
        break;
      case 3:
        bytes = bytes.subarray(0, at);
        break;
      default:
        bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(pick(other.length)), bytes.subarray(at)]);
    }
  }
  return bytes;
}

describe('hostile bytes', () => {
  it('has enough to begin with', () => {
    assert.ok(seeds.length > 40);
    for (const { bytes, kind } of seeds) readAll(bytes, kind);
  });

  it('are read or refused, 100,000 of them, and nothing is thrown', () => {
    const random = seededRandom(23);
    for (let round = 0; round < 100_000; round++) {
      const { bytes, kind } = seeds[Math.floor(random() * seeds.length)]!;
      const other = seeds[Math.floor(random() * seeds.length)]!.bytes;
      const spoiled = mutated(bytes, other, random);
      try {
        readAll(spoiled, kind);
      } catch (error) {
        assert.fail(`${kind.type} ${spoiled.toString('hex')}: ${(error as Error).stack}`);
      }
    }
  });

  it('are no faster way to keep the process busy than their length', () => {
    const write = (): ProtobufWriter => new ProtobufWriter();
    const pieces = write();
    const entries = write();
    const list = write();
    for (let index = 0; index < 100_000; index++) {
      pieces.message(19, write().varint(1, 1)); // outlier_detection in 100,000 pieces
      entries.message(36, write().text(1, `key-${index}`).message(2, write().text(1, 'a/b')));
      list.message(8, write());
    }
    const groups = Buffer.concat([Buffer.from('fb3f'.repeat(200_000), 'hex')]);
    const started = process.cpuUsage();
    for (const bytes of [pieces.finish(), entries.finish(), list.finish(), groups, Buffer.alloc(1 << 20, 0x80)])
      readAll(bytes, cluster);
    const { user, system } = process.cpuUsage(started);
    assert.ok(user + system < 10_000_000, `${(user + system) / 1000} ms`);
  });
});
