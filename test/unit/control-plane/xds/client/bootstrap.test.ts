import assert from 'node:assert/strict';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  bootstrapFromEnvironment,
  bootstrapFromJson,
  readBootstrap,
} from '../../../../../src/control-plane/xds/client/bootstrap.ts';

const insecure = { server_uri: 'xds.example:15010', channel_creds: [{ type: 'insecure' }] };

function mistakes(value: unknown): readonly string[] {
  try {
    readBootstrap(value);
  } catch (error) {
    return (error as Error).message.split('\n  ').slice(1);
  }
  return [];
}

describe('a bootstrap', () => {
  it('is read whole: servers, node, certificate providers, templates', () => {
    const { servers, unhonoured, ...rest } = readBootstrap({
      xds_servers: [
        {
          server_uri: 'dns:///xds.example:15012',
          channel_creds: [
            { type: 'google_default' },
            {
              type: 'tls',
              config: { ca_certificate_file: '/ca.pem', certificate_file: '/c.pem', private_key_file: '/k.pem' },
            },
          ],
          call_creds: [{ type: 'jwt_token_file', config: { jwt_token_file: '/token' } }],
          server_features: ['xds_v3', 'fail_on_data_errors', 'xds_v3'],
        },
        insecure,
      ],
      node: { id: 'n', cluster: 'c', locality: { region: 'r', zone: 'z', sub_zone: 's' }, metadata: { A: [1, null] } },
      certificate_providers: {
        mesh: {
          plugin_name: 'file_watcher',
          config: { certificate_file: '/c', private_key_file: '/k', ca_certificate_file: '/ca' },
        },
      },
      client_default_listener_resource_name_template: 'l/%s',
      server_listener_resource_name_template: 'in/%s',
    });
    assert.deepEqual(servers, [
      {
        address: 'xds.example:15012',
        credentials: {
          kind: 'tls',
          roots: { file: '/ca.pem' },
          identity: { certificateFile: '/c.pem', privateKeyFile: '/k.pem' },
          callCredentials: { kind: 'jwt', file: '/token' },
        },
        features: new Set(['xds_v3', 'fail_on_data_errors']),
      },
      { address: 'xds.example:15010', credentials: { kind: 'plaintext' }, features: new Set() },
    ]);
    assert.deepEqual(rest, {
      node: { id: 'n', cluster: 'c', locality: { region: 'r', zone: 'z', subZone: 's' }, metadata: { A: [1, null] } },
      certificateProviders: [{ name: 'mesh', certificateFile: '/c', privateKeyFile: '/k', rootsFile: '/ca' }],
      clientListenerTemplate: 'l/%s',
      serverListenerTemplate: 'in/%s',
    });
    assert.deepEqual(unhonoured, []);
  });

  const wrong: readonly { readonly name: string; readonly value: unknown; readonly mistakes: readonly RegExp[] }[] = [
    { name: 'no-object', value: [], mistakes: [/^\(root\): an object is expected, not a list$/] },
    { name: 'no-servers', value: {}, mistakes: [/^xds_servers: names no server$/] },
    { name: 'server-no-object', value: { xds_servers: ['a:1'] }, mistakes: [/^xds_servers\[0\]: an object/, /^xds_servers: /] },
    {
      name: 'server-without-anything',
      value: { xds_servers: [{}] },
      mistakes: [/^xds_servers\[0\]\.server_uri: is missing$/, /^xds_servers\[0\]\.channel_creds: is missing: insecure or tls$/],
    },
    {
      name: 'address-that-is-none',
      value: { xds_servers: [{ ...insecure, server_uri: 'xds:///x' }] },
      mistakes: [/^xds_servers\[0\]\.server_uri: "xds:\/\/\/x" is none of/],
    },
    {
      name: 'unknown-credentials',
      value: { xds_servers: [{ ...insecure, channel_creds: [{ type: 'alts' }] }] },
      mistakes: [/knows only insecure and tls, not alts$/],
    },
    {
      name: 'token-without-tls',
      value: { xds_servers: [{ ...insecure, call_creds: [{ type: 'jwt_token_file', config: { jwt_token_file: '/t' } }] }] },
      mistakes: [/^xds_servers\[0\]\.call_creds: a token is never sent without TLS/],
    },
    {
      name: 'certificate-without-key',
      value: { xds_servers: [{ ...insecure, channel_creds: [{ type: 'tls', config: { certificate_file: '/c' } }] }] },
      mistakes: [/^xds_servers\[0\]\.channel_creds\[0\]\.config\.private_key_file: goes with certificate_file/],
    },
    {
      name: 'wrong-types',
      value: { xds_servers: [insecure], node: { id: 7, locality: 'eu' } },
      mistakes: [
        /^node\.id: a text that is not empty is expected, not number 7$/,
        /^node\.locality: an object is expected, not string "eu"$/,
      ],
    },
    {
      name: 'unknown-provider',
      value: { xds_servers: [insecure], certificate_providers: { a: { plugin_name: 'mesh_ca', config: {} } } },
      mistakes: [/^certificate_providers\.a\.plugin_name: only file_watcher/],
    },
    {
      name: 'empty-provider',
      value: { xds_servers: [insecure], certificate_providers: { a: { plugin_name: 'file_watcher', config: {} } } },
      mistakes: [/^certificate_providers\.a\.config\.ca_certificate_file: names neither/],
    },
  ];
  for (const row of wrong)
    it(`names each mistake by its path: ${row.name}`, () => {
      const found = mistakes(row.value);
      assert.equal(found.length, row.mistakes.length, found.join('\n'));
      for (const [index, pattern] of row.mistakes.entries()) assert.match(found[index]!, pattern);
    });

  it('lists what has no effect: unknown names, unknown features, federation', () => {
    const { unhonoured } = readBootstrap({
      xds_servers: [{ ...insecure, server_features: ['trusted_xds_server', 'xds_v3'] }],
      node: { id: 'n', userAgent: 'x' },
      authorities: { 'a.example': {} },
      xds_server: [],
    });
    assert.deepEqual(
      unhonoured.map(({ path }) => path),
      ['xds_servers[0].server_features', 'node.userAgent', 'authorities', 'xds_server'],
    );
    assert.match(unhonoured[0]!.reason, /trusted_xds_server$/);
    assert.match(unhonoured[3]!.reason, /did you mean "xds_servers"/);
  });

  it('keeps servers apart that differ in their features alone', () => {
    const servers = [['xds_v3'], ['xds_v3', 'fail_on_data_errors'], ['fail_on_data_errors', 'xds_v3'], []];
    const read = readBootstrap({ xds_servers: servers.map((features) => ({ ...insecure, server_features: features })) });
    assert.deepEqual(
      read.servers.map(({ features }) => [...(features ?? [])]),
      servers,
    );
  });

  const targets: readonly { readonly uri: string; readonly address: string }[] = [
    { uri: 'h:1', address: 'h:1' },
    { uri: 'dns:h:1', address: 'h:1' },
    { uri: 'dns:///h:1', address: 'h:1' },
    { uri: 'dns://8.8.8.8/h:1', address: 'h:1' },
    { uri: 'ipv4:192.0.2.1:1', address: '192.0.2.1:1' },
    { uri: 'ipv6:[2001:db8::1]:1', address: '[2001:db8::1]:1' },
    { uri: 'unix:/a/b', address: 'unix:/a/b' },
    { uri: 'unix:///a/b', address: 'unix:/a/b' },
  ];
  for (const { uri, address } of targets)
    it(`takes the target ${uri}`, () => {
      assert.equal(readBootstrap({ xds_servers: [{ ...insecure, server_uri: uri }] }).servers[0]?.address, address);
    });

  it('comes from the file that the environment names, else from its JSON', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'bootstrap-'));
    const file = join(folder, 'bootstrap.json');
    await writeFile(file, JSON.stringify({ xds_servers: [insecure], node: { id: 'file' } }));
    const json = JSON.stringify({ xds_servers: [insecure], node: { id: 'json' } });
    assert.equal(bootstrapFromEnvironment({ GRPC_XDS_BOOTSTRAP: file, GRPC_XDS_BOOTSTRAP_CONFIG: json }).node.id, 'file');
    assert.equal(bootstrapFromEnvironment({ GRPC_XDS_BOOTSTRAP_CONFIG: json }).node.id, 'json');
    assert.throws(() => bootstrapFromEnvironment({}), /set GRPC_XDS_BOOTSTRAP/);
    assert.throws(() => bootstrapFromEnvironment({ GRPC_XDS_BOOTSTRAP: join(folder, 'none') }), {
      code: 'MESH_CONFIG_UNREADABLE',
    });
  });

  it('says which text is no JSON, without quoting it in its message', () => {
    assert.throws(() => bootstrapFromJson('{"token": s3cret', 'GRPC_XDS_BOOTSTRAP_CONFIG'), {
      code: 'MESH_CONFIG_INVALID',
      message: 'the bootstrap GRPC_XDS_BOOTSTRAP_CONFIG is no JSON',
    });
  });
});
