/** The generated table, held against Envoy's `.proto` files by a library that reads them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type protobuf from 'protobufjs';
import { messageTable } from '../../../../../src/control-plane/xds/wire/message-table.ts';
import {
  enumNameAt,
  messageTypeAt,
  messageTypeOf,
  type FieldType,
} from '../../../../../src/control-plane/xds/wire/message-types.ts';
import { envoyBytes } from '../../../../support/envoy-bytes.ts';
import { loadEnvoyProtos } from '../../../../support/envoy-protos.ts';

const root = loadEnvoyProtos([
  'envoy/config/cluster/v3/cluster.proto',
  'envoy/config/endpoint/v3/endpoint.proto',
  'envoy/config/listener/v3/listener.proto',
  'envoy/config/rbac/v3/rbac.proto',
  'envoy/config/route/v3/route.proto',
  'envoy/extensions/filters/http/fault/v3/fault.proto',
  'envoy/extensions/filters/http/jwt_authn/v3/config.proto',
  'envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.proto',
  'envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto',
  'envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash.proto',
  'envoy/extensions/transport_sockets/tls/v3/tls.proto',
  'envoy/extensions/upstreams/http/v3/http_protocol_options.proto',
  'envoy/service/load_stats/v3/lrs.proto',
  'xds/type/v3/typed_struct.proto',
]);

const scalars: Readonly<Record<string, string>> = {
  s: 'string',
  y: 'bytes',
  b: 'bool',
  u: 'uint32',
  U: 'uint64',
  i: 'int32',
  I: 'int64',
  d: 'double',
  f: 'float',
};
const wellKnown: Readonly<Record<string, string>> = { A: 'Any', D: 'Duration', S: 'Struct', V: 'Value' };
const wrappers: Readonly<Record<string, string>> = {
  s: 'String',
  y: 'Bytes',
  b: 'Bool',
  u: 'UInt32',
  U: 'UInt64',
  d: 'Double',
  f: 'Float',
};

/** What a type of the table is called in the files. */
function typeOf(field: FieldType): string | undefined {
  switch (field.code) {
    case 'm':
      return messageTypeAt(field.line).name;
    case 'w':
      return `google.protobuf.${wrappers[field.inner!.fields[0]!.code]!}Value`;
    case 'e':
    case 'o':
      return undefined;
    default:
      return scalars[field.code] ?? `google.protobuf.${wellKnown[field.code]!}`;
  }
}

function typeIn(field: protobuf.Field): string {
  return field.resolvedType === null ? field.type : field.resolvedType.fullName.slice(1);
}

const names = messageTable
  .trim()
  .split('\n')
  .map((line) => line.split(' ')[0]!);

function known(name: string): protobuf.Type | undefined {
  try {
    return root.lookupType(name);
  } catch {
    return undefined;
  }
}

describe('the table of messages', () => {
  it('has the fields of the files under the same names, numbers and types', () => {
    let compared = 0;
    const gone: string[] = [];
    for (const name of names) {
      const inFiles = known(name);
      if (inFiles === undefined) continue;
      const type = messageTypeOf(name)!;
      for (const field of inFiles.fieldsArray) {
        const own = type.byNumber[field.id];
        const place = `${name}.${field.name}`;
        if (own === undefined) {
          gone.push(place); // The table is of a later version.
          continue;
        }
        assert.equal(own.name, field.name, place);
        assert.deepEqual([own.isMap, own.isList], [field.map, field.repeated && !field.map], place);
        const wanted = typeOf(own);
        if (wanted !== undefined) assert.equal(wanted, typeIn(field), place);
        if (own.code === 'e')
          for (const [value, number] of Object.entries((field.resolvedType as protobuf.Enum).values))
            assert.equal(enumNameAt(own.line, number), value, place);
        const others = field.partOf?.fieldsArray.length;
        // The oneof that protobufjs makes of an optional field has one member.
        if (others !== undefined && others > 1) assert.ok(own.oneOf!.length >= others, place);
        compared++;
      }
    }
    assert.ok(compared > 1000, String(compared));
    assert.deepEqual(gone, ['envoy.config.listener.v3.FilterChain.on_demand_configuration']);
  });

  it('writes for tests what the library writes', () => {
    const type = 'envoy.config.endpoint.v3.ClusterLoadAssignment';
    const socket = { socket_address: { address: '192.0.2.1', port_value: 80 } };
    const json = {
      cluster_name: 'cart',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socket }, health_status: 'DRAINING' }], priority: 1 }],
    };
    const written = root.lookupType(type).encode(root.lookupType(type).fromObject(json)).finish();
    assert.equal(Buffer.from(envoyBytes(json, type)).toString('hex'), Buffer.from(written).toString('hex'));
  });
});
