/** `meshfetch validate` on resources of Envoy that Envoy refuses, or of which requests fail. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { validate } from '../../../src/cli/validate.ts';
import { isFailure } from '../../../src/cli/what-fails.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meshfetch-validate-envoy-'));
});
after(() => rm(folder, { recursive: true }));

async function run(text: string, ...options: string[]): Promise<{ readonly status: number; readonly out: string }> {
  const path = join(folder, 'file.yaml');
  await writeFile(path, text);
  let out = '';
  const io = { stdout: { write: (part: string) => (out += part) }, stderr: { write: () => 0 } };
  return { status: await validate([path, ...options], io), out };
}

interface Row {
  readonly path: string;
  readonly reason: string;
}

async function rowsOf(
  text: string,
): Promise<{ readonly status: number; readonly refused: readonly Row[]; readonly without: readonly Row[] }> {
  const { status, out } = await run(text, '--json');
  const { resources } = JSON.parse(out) as { resources: readonly { refused: readonly Row[]; withoutEffect: readonly Row[] }[] };
  return {
    status,
    refused: resources.flatMap(({ refused }) => refused),
    without: resources.flatMap(({ withoutEffect }) => withoutEffect),
  };
}

const cluster = (fields: object): string => JSON.stringify([{ name: 'a', type: 'STATIC', ...fields }]);
const table = (route: object, action: object = {}): string =>
  JSON.stringify([
    {
      name: 'r',
      virtual_hosts: [
        { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'a', ...action }, ...route }] },
      ],
    },
  ]);
const at = 'virtual_hosts[0].routes[0]';

describe('fields that Envoy does not have', () => {
  const unknown: readonly (readonly [name: string, text: string, path: string, reason: RegExp])[] = [
    ['of-a-route', table({}, { timout: '3s' }), `${at}.route.timout`, /no such field in RouteAction.*did you mean timeout\?/],
    ['of-a-cluster', cluster({ lb_polic: 'RANDOM' }), 'lb_polic', /no such field in Cluster,.*did you mean lb_policy\?/],
    ['in-the-other-spelling', cluster({ connectTimeot: '1s' }), 'connectTimeot', /did you mean connectTimeout\?/],
    [
      'list-of-a-bootstrap',
      JSON.stringify({ static_resources: { clusters: [{ name: 'a', type: 'STATIC' }], listners: [] } }),
      'static_resources.listners',
      /did you mean listeners\?/,
    ],
    [
      'of-an-extension',
      cluster({
        typed_extension_protocol_options: {
          'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
            '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
            explicit_http_config: { http2_protocol_options: { max_concurent_streams: 5 } },
          },
        },
      }),
      'typed_extension_protocol_options["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"].explicit_http_config.http2_protocol_options.max_concurent_streams',
      /did you mean max_concurrent_streams\?/,
    ],
  ];
  for (const [name, text, path, reason] of unknown) {
    it(`are refused, with the nearest one: ${name}`, async () => {
      const { status, refused, without } = await rowsOf(text);
      assert.equal(status, 1);
      assert.deepEqual(
        refused.map((row) => row.path),
        [path],
      );
      assert.match(refused[0]!.reason, reason);
      assert.deepEqual(without, []);
    });
  }

  it('are told from those that it has and that have no effect here', async () => {
    const { status, refused, without } = await rowsOf(table({}, { max_internal_redirects: 3 }));
    assert.deepEqual([status, refused], [0, []]);
    assert.deepEqual(without, [
      { path: `${at}.route.max_internal_redirects`, reason: 'is not carried out: it has no effect here' },
    ]);
  });

  it('are not looked for in extensions that are not known', async () => {
    const { status } = await rowsOf(
      cluster({ metadata: { typed_filter_metadata: { x: { '@type': 'type.googleapis.com/example.Own', anything: 1 } } } }),
    );
    assert.equal(status, 0);
  });
});

describe('what makes requests fail', () => {
  const lua = { '@type': 'type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua', inline_code: 'x' };
  const listener = (filter: object): string =>
    JSON.stringify([
      {
        name: 'egress',
        filter_chains: [
          {
            filters: [
              {
                name: 'envoy.filters.network.http_connection_manager',
                typed_config: {
                  '@type':
                    'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
                  route_config: (
                    JSON.parse(table({})) as readonly { readonly virtual_hosts: readonly { readonly routes: object[] }[] }[]
                  ).map((config) => {
                    config.virtual_hosts[0]!.routes.push({ match: { prefix: '/b' }, route: { cluster: 'a' } });
                    return config;
                  })[0],
                  http_filters: [filter],
                },
              },
            ],
          },
        ],
      },
    ]);

  it('is refused once, where it stands: a filter that cannot be run', async () => {
    const text = listener({ name: 'envoy.filters.http.lua', typed_config: lua });
    const { status, refused } = await rowsOf(text);
    assert.equal(status, 1);
    assert.deepEqual(
      refused.map(({ path }) => path),
      ['filter_chains[0].filters[0].typed_config.http_filters[0].typed_config'],
    );
    const { out } = await run(text);
    assert.match(out, /, 1 refused\n/);
    assert.doesNotMatch(out, /as meshfetch has it/);
  });

  it('is no mistake where requests go on without it', async () => {
    const text = listener({ name: 'envoy.filters.http.lua', is_optional: true, typed_config: lua });
    assert.equal((await rowsOf(text)).status, 0);
  });

  it('is refused: an authorizer that is not asked', async () => {
    const text = listener({
      name: 'envoy.filters.http.ext_authz',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz',
        grpc_service: { envoy_grpc: { cluster_name: 'authorizer' } },
      },
    });
    const { status, refused } = await rowsOf(text);
    assert.deepEqual([status, refused.length], [1, 1]);
  });

  it('is refused: connections through a socket that is not known', async () => {
    const socket = { name: 'own', typed_config: { '@type': 'type.googleapis.com/example.Socket' } };
    const { status, refused } = await rowsOf(cluster({ transport_socket: socket }));
    assert.deepEqual([status, refused.map(({ path }) => path)], [1, ['transport_socket']]);
  });

  it('is told by the words that the translation has for it', async () => {
    const source = new URL('../../../src/control-plane/xds/translate/', import.meta.url);
    const texts = await Promise.all(
      (await readdir(source)).filter((name) => name.endsWith('.ts')).map((name) => readFile(new URL(name, source), 'utf8')),
    );
    const said = texts
      .flatMap((text) => [...text.matchAll(/(?:note\(|[,(]\s+)[^;]*?(['`])([^'`\n]*\bfails?\b[^'`\n]*)\1/g)])
      .map(([, , words]) => words!)
      .filter((words) => !words.includes('until'));
    assert.ok(said.length >= 8, said.join('\n'));
    for (const words of said) assert.ok(isFailure(words), words);
  });
});

describe('a file without any resource', () => {
  for (const text of ['[]', '{"resources":[]}', '{"configs":[]}', 'static_resources: {}\n'])
    it(`is a mistake: ${text.trim()}`, async () => {
      const { status, out } = await run(text);
      assert.equal(status, 1);
      assert.match(out, /there is no resource of Envoy in it, so that nothing was checked/);
    });
});
