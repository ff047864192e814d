/** The same resource as JSON and as bytes: the same in the words of the model, with the same findings. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { clusterFrom } from '../../../../../src/control-plane/xds/translate/cluster.ts';
import { endpointsFrom } from '../../../../../src/control-plane/xds/translate/endpoints.ts';
import { outboundListenersFrom } from '../../../../../src/control-plane/xds/translate/listener.ts';
import { Findings, type Finding, type Message } from '../../../../../src/control-plane/xds/translate/message.ts';
import { routeTableFrom } from '../../../../../src/control-plane/xds/translate/route-configuration.ts';
import { translated, type Translated } from '../../../../../src/control-plane/xds/translate/translated.ts';
import { messageFromWire } from '../../../../../src/control-plane/xds/wire/message-from-wire.ts';
import { parseResources } from '../../../../../src/testing/parse-resources.ts';
import { envoyBytes } from '../../../../support/envoy-bytes.ts';

type Json = Readonly<Record<string, unknown>>;
const options = { surroundings: { hostname: 'pod-1', environment: { ZONE: 'eu-1' } } };

const kinds: readonly { type: string; isOne(json: Json): boolean; read(message: Message): unknown }[] = [
  {
    type: 'envoy.config.route.v3.RouteConfiguration',
    isOne: (json) => 'virtual_hosts' in json || 'virtualHosts' in json,
    read: (message) => routeTableFrom(message, options),
  },
  {
    type: 'envoy.config.listener.v3.Listener',
    isOne: (json) => 'filter_chains' in json || 'api_listener' in json,
    read: (message) => outboundListenersFrom(message, options),
  },
  {
    type: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
    isOne: (json) => 'cluster_name' in json || 'clusterName' in json,
    read: (message) => endpointsFrom(message, ''),
  },
  { type: 'envoy.config.cluster.v3.Cluster', isOne: (json) => 'name' in json, read: clusterFrom },
];

function resourcesOf(json: Json): readonly Json[] {
  const { static_resources: inner } = json as { readonly static_resources?: Readonly<Record<string, readonly Json[]>> };
  return inner === undefined ? [json] : Object.values(inner).flat();
}

/** Paths as bytes have them: names of protobuf, without the spelling that JSON chose. */
function told({ problems, unhonoured }: Translated<unknown>): readonly string[] {
  const lines = (list: readonly Finding[]) =>
    list.map(({ path, reason }) => `${path.replaceAll('_', '').toLowerCase()}: ${reason}`);
  return [...lines(problems), 'no effect:', ...lines(unhonoured).toSorted()];
}

const folder = new URL('../../../../golden/xds/', import.meta.url);
const cases = readdirSync(folder).filter((file) => file.endsWith('.in.yaml'));
let encoded = 0;
const skipped: string[] = [];

describe('a resource in bytes', () => {
  for (const file of cases) {
    // Objects of YAML have no prototype, those of JSON have.
    const parsed = JSON.parse(JSON.stringify(parseResources(readFileSync(new URL(file, folder), 'utf8')))) as readonly Json[];
    const resources = parsed.flatMap(resourcesOf);
    for (const [index, json] of resources.entries()) {
      const kind = kinds.find((each) => each.isOne(json));
      if (kind === undefined) continue;
      it(`is what it is in JSON: ${file} ${index}`, (test) => {
        let bytes: Uint8Array;
        try {
          bytes = envoyBytes(json, kind.type);
        } catch (error) {
          skipped.push(`${file} ${index}: ${(error as Error).message}`);
          return test.skip(`no message of protobuf: ${(error as Error).message}`);
        }
        encoded++;
        const ofJson = new Findings();
        const fromJson = translated(kind.read(ofJson.message(json, '')!), ofJson);
        const ofBytes = new Findings();
        const fromBytes = translated(kind.read(messageFromWire(bytes, kind.type, '', ofBytes)!), ofBytes);
        assert.deepEqual(told(fromBytes), told(fromJson));
        assert.deepEqual(fromBytes.value, fromJson.value);
      });
    }
  }
  it('can be written for most of the cases', () => {
    assert.ok(encoded > 3 * skipped.length, `${encoded} against ${skipped.length}: ${skipped.join('\n')}`);
  });
});
