/** Resources as a real istiod (1.31) sends them to a sidecar, byte for byte; test/golden/xds/sidecar-of-istiod has them in JSON. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { usePatternEngine } from '../../../../src/base/pattern-engine.ts';
import { Findings } from '../../../../src/control-plane/xds/translate/message.ts';
import { endpointsFrom } from '../../../../src/control-plane/xds/translate/endpoints.ts';
import {
  readCluster,
  readListener,
  readRouteTable,
  readSecret,
  type ReadOptions,
} from '../../../../src/control-plane/xds/translate/received.ts';
import { translateResources } from '../../../../src/control-plane/xds/translate/resources.ts';
import { messageFromWire } from '../../../../src/control-plane/xds/wire/message-from-wire.ts';
import { ProtobufWriter } from '../../../../src/wire/protobuf.ts';

usePatternEngine();

const folder = new URL('../../../golden/xds/', import.meta.url);
const read = (name: string): unknown => JSON.parse(readFileSync(new URL(name, folder), 'utf8'));
const received = read('sidecar-of-istiod.wire.json') as readonly { type: string; name: string; bytes: string }[];
const inJson = read('sidecar-of-istiod.in.json') as readonly object[];
const options: ReadOptions = { mode: 'sidecar', surroundings: { hostname: 'web-1' } };

function bytesOf(name: string, type: string): Uint8Array {
  const found = received.find((resource) => resource.name === name && resource.type === type);
  assert.ok(found, name);
  return Buffer.from(found.bytes, 'base64');
}

/** What JSON becomes. */
const fromJson = translateResources(inJson, { surroundings: { hostname: 'web-1' }, port: 'bound' });
const valueOf = (kind: string, name: string): unknown =>
  fromJson.resources.find((resource) => resource.kind === kind && resource.name === name)?.value;
/** Paths have the spelling of what was read, and a list the place of each. */
const reasonsOf = (name: string): readonly string[] =>
  fromJson.unhonoured.filter(({ key }) => key.name === name).map(({ reason }) => reason);

describe('what a real istiod sends', () => {
  for (const { type, name, bytes: base64 } of received) {
    it(`is read from its bytes as from JSON: ${type} ${name}`, () => {
      const bytes = Buffer.from(base64, 'base64');
      if (type === 'Listener') {
        const { findings, outbound } = readListener(bytes, options);
        assert.deepEqual(findings.problems, []);
        assert.deepEqual(outbound, [valueOf('listener', name)].filter(Boolean));
        assert.deepEqual(
          findings.unhonoured.map(({ reason }) => reason),
          reasonsOf(name),
        );
      } else if (type === 'RouteConfiguration') {
        const { findings, value } = readRouteTable(bytes, options);
        assert.deepEqual([findings.problems, findings.unhonoured], [[], []]);
        assert.deepEqual(value, valueOf('route-table', name));
      } else if (type === 'Cluster') {
        const { findings, value, endpointsName } = readCluster(bytes, options);
        assert.deepEqual(findings.problems, []);
        assert.deepEqual(value?.value, valueOf('cluster', name));
        assert.deepEqual(
          findings.unhonoured.map(({ reason }) => reason),
          reasonsOf(name),
        );
        assert.equal(endpointsName, value?.value.discovery.kind === 'endpoints' ? name : undefined);
      } else {
        const findings = new Findings();
        const message = messageFromWire(bytes, 'envoy.config.endpoint.v3.ClusterLoadAssignment', '', findings);
        assert.deepEqual(endpointsFrom(message!, ''), valueOf('endpoints', name));
        assert.deepEqual(findings.problems, []);
      }
    });
  }

  it('names what it needs besides: routes, endpoints, secrets', () => {
    assert.deepEqual(readListener(bytesOf('0.0.0.0_80', 'Listener'), options).routeNames, ['80']);
    const { secretNames, secrets, reportsLoad } = readCluster(
      bytesOf('outbound|80|v1|reviews.shop.svc.cluster.local', 'Cluster'),
      options,
    );
    assert.deepEqual(secretNames, ['default', 'ROOTCA']);
    assert.deepEqual([secrets, reportsLoad], [[], false]);
  });

  it('says where connections go that no listener takes', () => {
    const { outbound, catchAllCluster } = readListener(bytesOf('virtualOutbound', 'Listener'), options);
    assert.deepEqual(outbound, []);
    assert.equal(catchAllCluster, 'PassthroughCluster');
  });

  it('is read without virtual hosts that nobody wants', () => {
    const { value } = readRouteTable(bytesOf('80', 'RouteConfiguration'), {
      ...options,
      serves: (domains) => domains.includes('warm'),
    });
    assert.deepEqual(
      value?.virtualHosts.map(({ name }) => name),
      ['warm.shop.svc.cluster.local:80'],
    );
  });

  it('has the last word of a preset', () => {
    const bytes = bytesOf('outbound|80|v1|reviews.shop.svc.cluster.local', 'Cluster');
    const adaptCluster: ReadOptions['adaptCluster'] = (cluster) => ({ ...cluster, connectTimeoutMs: 7 });
    assert.equal(readCluster(bytes, { ...options, adaptCluster }).value?.value.connectTimeoutMs, 7);
  });
});

describe('a cluster that does not say which HTTP is spoken', () => {
  const bytes = new ProtobufWriter().text(1, 'c').finish();
  for (const mode of ['sidecar', 'proxyless'] as const)
    it(`is spoken to in HTTP/1.1 (Envoy's default), and in HTTP/2 by gRPC, for a ${mode}`, () => {
      assert.equal(readCluster(bytes, { mode }).value?.value.protocol, 'same-as-request');
    });
});

describe('bytes that are no resource', () => {
  const cases: readonly { name: string; bytes: Uint8Array }[] = [
    { name: 'garbage', bytes: Buffer.from('ffffffffffffffffffff', 'hex') },
    { name: 'cut', bytes: bytesOf('80', 'RouteConfiguration').subarray(0, 100) },
  ];
  for (const { name, bytes } of cases) {
    it(`are refused with a reason: ${name}`, () => {
      for (const reading of [
        readListener(bytes, options),
        readRouteTable(bytes, options),
        readCluster(bytes, options),
        readSecret(bytes),
      ])
        assert.ok(reading.findings.problems.length > 0);
    });
  }
});

describe('a secret', () => {
  it('is a certificate whose key is told to nobody', () => {
    const text = (value: string) => new ProtobufWriter().text(2, value).finish();
    const certificate = new ProtobufWriter().message(1, text('a chain')).message(2, text('a key')).finish();
    const { findings, value } = readSecret(new ProtobufWriter().text(1, 'default').message(2, certificate).finish());
    assert.deepEqual([findings.problems, findings.unhonoured], [[], []]);
    assert.ok(value !== undefined && 'svid' in value);
    assert.equal(value.svid.name, 'default');
    assert.equal(value.svid.privateKey.reveal(), 'a key');
    assert.doesNotMatch(JSON.stringify(value), /a key/);
  });
});
