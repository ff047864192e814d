import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nodeMessage } from '../../../../../src/control-plane/xds/client/node.ts';
import { ProtobufReader } from '../../../../../src/wire/protobuf.ts';

/** Texts of a message by field number. */
function texts(bytes: Uint8Array): readonly (readonly [number, string])[] {
  const found: (readonly [number, string])[] = [];
  const reader = new ProtobufReader(bytes);
  while (reader.next()) found.push([reader.field, Buffer.from(reader.bytes() ?? new Uint8Array()).toString()]);
  return found;
}

describe('a node', () => {
  it('has its texts under the numbers of envoy.config.core.v3.Node', () => {
    const node = { id: 'sidecar~1', cluster: 'shop', userAgentName: 'app', userAgentVersion: '1.2', features: ['own'] };
    assert.deepEqual(texts(nodeMessage(node)), [
      [1, 'sidecar~1'],
      [2, 'shop'],
      [6, 'app'],
      [7, '1.2'],
      [10, 'xds.config.resource-in-sotw'],
      [10, 'own'],
    ]);
  });

  it('says where it is, and what it is called where nobody says', () => {
    const [, place, name] = texts(nodeMessage({ id: 'n', locality: { region: 'r', zone: 'z', subZone: 's' } }));
    assert.deepEqual(texts(Buffer.from(place![1])), [
      [1, 'r'],
      [2, 'z'],
      [3, 's'],
    ]);
    assert.deepEqual(name, [6, 'meshfetch']);
  });
});
