/** The same resource as JSON and as bytes: the same in the words of the model, with the same findings. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { before, describe, it } from 'node:test';
import { loadPatternEngine } from '../../../../../src/base/pattern.ts';
import { clusterFrom } from '../../../../../src/control-plane/xds/translate/cluster.ts';
import { endpointsFrom } from '../../../../../src/control-plane/xds/translate/endpoints.ts';
import { inboundListenersFrom } from '../../../../../src/control-plane/xds/translate/inbound/listener.ts';
import { outboundListenersFrom } from '../../../../../src/control-plane/xds/translate/listener.ts';
import { Findings, type Finding, type Message } from '../../../../../src/control-plane/xds/translate/message.ts';
import { routeTableFrom } from '../../../../../src/control-plane/xds/translate/route-configuration.ts';
import { TlsSecrets } from '../../../../../src/control-plane/xds/translate/tls-secrets.ts';
import { translated, type Translated } from '../../../../../src/control-plane/xds/translate/translated.ts';
import { messageFromWire } from '../../../../../src/control-plane/xds/wire/message-from-wire.ts';
import { parseResources } from '../../../../../src/control-plane/xds/parse-resources.ts';
import { envoyBytes } from '../../../../support/envoy-bytes.ts';

type Json = Readonly<Record<string, unknown>>;
const options = { surroundings: { hostname: 'pod-1', environment: { ZONE: 'eu-1' } } };

const kinds: readonly { type: string; isOne: (json: Json) => boolean; read: (message: Message) => unknown }[] = [
  {
    type: 'envoy.config.route.v3.RouteConfiguration',
    isOne: (json) => 'virtual_hosts' in json,
    read: (message) => routeTableFrom(message, options),
  },
  {
    type: 'envoy.config.listener.v3.Listener',
    isOne: (json) => 'filter_chains' in json || 'api_listener' in json,
    read: (message) => outboundListenersFrom(message, options),
  },
  {
    type: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
    isOne: (json) => 'cluster_name' in json,
    read: (message) => endpointsFrom(message, ''),
  },
  { type: 'envoy.config.cluster.v3.Cluster', isOne: (json) => 'name' in json, read: clusterFrom },
];

function resourcesOf(json: Json): readonly Json[] {
  const { static_resources: inner } = json as { readonly static_resources?: Readonly<Record<string, readonly Json[]>> };
  return inner === undefined ? [json] : Object.values(inner).flat();
}

/** The names of protobuf, which bytes have: what is said of a field has its name as it is written. Objects of YAML have no prototype. */
function inSnakeCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inSnakeCase);
  if (typeof value !== 'object' || value === null) return value;
  const snake = (key: string): string =>
    /^[a-z]\w*$/.test(key) ? key.replaceAll(/(?<=[a-z0-9])[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) : key;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [snake(key), inSnakeCase(item)]));
}

function told({ problems, unhonoured }: Translated<unknown>): readonly string[] {
  const lines = (list: readonly Finding[]) => list.map(({ path, reason }) => `${path}: ${reason}`);
  return [...lines(problems), 'no effect:', ...lines(unhonoured).toSorted()];
}

/** Types that the table does not have: JSON says what their fields are, bytes do not, so that only JSON's can be reported. */
const onlyInJson: Readonly<Record<string, string>> = {
  'unsupported-matchers.in.yaml 0':
    'virtual_hosts[0].routes[5].match.path_match_policy.typed_config.a: is not carried out: unknown, or without effect here',
};

const folder = new URL('../../../../golden/xds/', import.meta.url);
const cases = readdirSync(folder).filter((file) => file.endsWith('.in.yaml'));
let encoded = 0;
const skipped: string[] = [];

describe('a resource in bytes', () => {
  for (const file of cases) {
    const parsed = parseResources(readFileSync(new URL(file, folder), 'utf8'));
    const resources = (inSnakeCase(parsed) as readonly Json[]).flatMap(resourcesOf);
    for (const [index, json] of resources.entries()) {
      const kind = kinds.find((each) => each.isOne(json));
      if (kind === undefined) continue;
      it(`is what it is in JSON: ${file} ${index}`, () => {
        let bytes: Uint8Array;
        try {
          bytes = envoyBytes(json, kind.type);
        } catch (error) {
          skipped.push(`${file} ${index}: ${(error as Error).message}`);
          return;
        }
        encoded++;
        const ofJson = new Findings();
        const fromJson = translated(kind.read(ofJson.message(json, '')!), ofJson);
        const ofBytes = new Findings();
        const fromBytes = translated(kind.read(messageFromWire(bytes, kind.type, '', ofBytes)!), ofBytes);
        assert.deepEqual(
          told(fromBytes),
          told(fromJson).filter((line) => line !== onlyInJson[`${file} ${index}`]),
        );
        assert.deepEqual(fromBytes.value, fromJson.value);
      });
    }
  }
  it('can be written for most of the cases', () => {
    assert.ok(encoded > 3 * skipped.length, `${encoded} against ${skipped.length}: ${skipped.join('\n')}`);
  });
});

/** Resources as a real istiod (1.31) sent them to a sidecar, and as its debug interface shows them. */
interface Captured {
  readonly type: string;
  readonly name: string;
  readonly base64: string;
  readonly json: Json;
}

describe('a resource of a real istiod', () => {
  const lines = readFileSync(new URL('istiod.resources.jsonl', import.meta.url), 'utf8')
    .trim()
    .split('\n');
  for (const { type, name, base64, json } of lines.map((line) => JSON.parse(line) as Captured)) {
    it(`is what istiod says that it is: ${type.slice(type.lastIndexOf('.') + 1)} ${name}`, () => {
      const { read } = kinds.find((kind) => kind.type === type)!;
      const ofJson = new Findings();
      const fromJson = translated(read(ofJson.message(inSnakeCase(json), '')!), ofJson);
      const ofBytes = new Findings();
      const fromBytes = translated(read(messageFromWire(Buffer.from(base64, 'base64'), type, '', ofBytes)!), ofBytes);
      assert.deepEqual(told(fromBytes), told(fromJson));
      assert.deepEqual(inSnakeCase(fromBytes.value), inSnakeCase(fromJson.value));
      assert.deepEqual(fromBytes.problems, []);
    });
  }
});

describe('an inbound listener in bytes', () => {
  const inbound = new URL('../../../../golden/istio-inbound/', import.meta.url);
  const type = 'envoy.config.listener.v3.Listener';
  before(() => loadPatternEngine());
  for (const file of readdirSync(inbound).filter((each) => each.endsWith('.in.json'))) {
    it(`is what it is in JSON: ${file}`, () => {
      const json = inSnakeCase(JSON.parse(readFileSync(new URL(file, inbound), 'utf8'))) as Json;
      const ofJson = new Findings();
      const fromJson = translated(inboundListenersFrom(ofJson.message(json, '')!, { ...options, tls: new TlsSecrets() }), ofJson);
      const ofBytes = new Findings();
      const message = messageFromWire(envoyBytes(json, type), type, '', ofBytes)!;
      const fromBytes = translated(inboundListenersFrom(message, { ...options, tls: new TlsSecrets() }), ofBytes);
      assert.deepEqual(told(fromBytes), told(fromJson));
      assert.deepEqual(fromBytes.value, fromJson.value);
    });
  }
});
