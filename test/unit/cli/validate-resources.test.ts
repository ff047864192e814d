/** `meshfetch validate` on resources of Envoy and of Istio. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { validate } from '../../../src/cli/validate.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meshfetch-validate-resources-'));
});
after(() => rm(folder, { recursive: true }));

interface Fact {
  readonly ok: boolean;
  readonly kind: string;
  readonly resources: readonly {
    readonly type: string;
    readonly name: string;
    readonly carriedOut: number | readonly string[];
    readonly withoutEffect: readonly { readonly path: string; readonly reason: string }[];
    readonly refused: readonly { readonly path: string; readonly reason: string }[];
  }[];
}

async function run(text: string, ...options: string[]): Promise<{ status: number; out: string }> {
  const path = join(folder, 'file.yaml');
  await writeFile(path, text);
  let out = '';
  const io = { stdout: { write: (part: string) => (out += part) }, stderr: { write: () => 0 } };
  const status = await validate([path, ...options], io);
  return { status, out };
}

async function facts(text: string, ...options: string[]): Promise<Fact> {
  return JSON.parse((await run(text, '--json', ...options)).out) as Fact;
}

const routes = `
name: shop
virtual_hosts:
- name: all
  domains: ['*']
  routes:
  - match: { prefix: / }
    route: { cluster: shop, cors: { max_age: '60' } }
`;

describe('a file with resources of Envoy', () => {
  const kinds: readonly { readonly name: string; readonly text: string; readonly types: readonly string[] }[] = [
    { name: 'one-resource', text: routes, types: ['RouteConfiguration'] },
    {
      name: 'several-documents',
      text: `${routes}---${routes.replace('shop\n', 'other\n')}`,
      types: ['RouteConfiguration', 'RouteConfiguration'],
    },
    {
      name: 'json-list-of-istioctl',
      text: '[{"name":"a","type":"STATIC"},{"name":"b","type":"STATIC"}]',
      types: ['Cluster', 'Cluster'],
    },
    { name: 'bootstrap', text: 'static_resources: { clusters: [{ name: a, type: STATIC }] }\n', types: ['Cluster'] },
    {
      name: 'answer-of-a-server',
      text: '{"resources":[{"@type":"type.googleapis.com/envoy.config.cluster.v3.Cluster","name":"a","type":"STATIC"}]}',
      types: ['Cluster'],
    },
    {
      name: 'config-dump',
      text: JSON.stringify({
        configs: [
          { '@type': 'type.googleapis.com/envoy.admin.v3.BootstrapConfigDump', bootstrap: {} },
          {
            '@type': 'type.googleapis.com/envoy.admin.v3.ClustersConfigDump',
            dynamicActiveClusters: [{ cluster: { name: 'a', type: 'STATIC' } }],
          },
          {
            '@type': 'type.googleapis.com/envoy.admin.v3.ListenersConfigDump',
            dynamic_listeners: [{ name: 'x', warming_state: {} }],
          },
          {
            '@type': 'type.googleapis.com/envoy.admin.v3.RoutesConfigDump',
            dynamicRouteConfigs: [{ routeConfig: { name: 'r', virtualHosts: [] } }],
          },
        ],
      }),
      types: ['Cluster', 'RouteConfiguration'],
    },
  ];
  for (const { name, text, types } of kinds) {
    it(`is told by its content: ${name}`, async () => {
      const { kind, resources } = await facts(text);
      assert.equal(kind, 'envoy');
      assert.deepEqual(
        resources.map(({ type }) => type),
        types,
      );
    });
  }

  it('is reported on field by field', async () => {
    const { ok, resources } = await facts(routes, '--all');
    assert.equal(ok, true);
    const [{ name, carriedOut, withoutEffect, refused } = assert.fail()] = resources;
    assert.equal(name, 'shop');
    assert.deepEqual(carriedOut, [
      'name',
      'virtual_hosts[0].name',
      'virtual_hosts[0].domains[0]',
      'virtual_hosts[0].routes[0].match.prefix',
      'virtual_hosts[0].routes[0].route.cluster',
    ]);
    assert.deepEqual(
      withoutEffect.map(({ path }) => path),
      ['virtual_hosts[0].routes[0].route.cors'],
    );
    assert.deepEqual(refused, []);
  });

  it('is refused for what a mesh would refuse, at its path', async () => {
    const { status, out } = await run(routes.replace('prefix: /', "safe_regex: { regex: '(' }"));
    assert.equal(status, 1);
    assert.match(out, /refused {9}virtual_hosts\[0\]\.routes\[0\]\.match\.safe_regex\.regex +\S/);
  });

  it('that is a way in is carried out, but for what belongs to a proxy', async () => {
    const text = await readFile(new URL('../../golden/istio-inbound/strict.in.json', import.meta.url), 'utf8');
    const { ok, resources } = await facts(text);
    assert.equal(ok, true);
    const [listener = assert.fail()] = resources;
    assert.ok(Number(listener.carriedOut) > 400);
    const sampling = listener.withoutEffect.filter(({ path }) => path.endsWith('.telemetry.traceSampling'));
    assert.equal(sampling.length, 1);
  });

  it('that is a way in is refused for a filter without which too many would come in', async () => {
    const text = await readFile(new URL('../../golden/istio-inbound/envoy-filter.in.json', import.meta.url), 'utf8');
    const { ok, resources } = await facts(text);
    assert.equal(ok, false);
    assert.ok(resources[0]!.refused.some(({ reason }) => /so that every request is refused/.test(reason)));
  });

  it('is not taken for a mesh.yaml when it does not parse', async () => {
    const { status, out } = await run('static_resources:\n  clusters: [\n');
    assert.equal(status, 1);
    assert.match(out, /neither YAML nor JSON/);
  });
});

const destination = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: orders, namespace: shop }
spec:
  host: orders
  trafficPolicy:
    tls: { mode: SIMPLE, caCertificates: /etc/ca.pem }
    connectionPool: { tcp: { connectTimeout: 1s, tcpKeepalive: { probes: 3 } } }
`;

describe('a file with resources of Istio', () => {
  it('is told by its content, also where several stand in a list', async () => {
    const list = JSON.stringify({
      apiVersion: 'v1',
      kind: 'List',
      items: [
        { apiVersion: 'networking.istio.io/v1', kind: 'WorkloadEntry', metadata: { name: 'a' }, spec: { address: '192.0.2.1' } },
      ],
    });
    const { kind, resources } = await facts(`${destination}---\n${list}\n`);
    assert.equal(kind, 'istio');
    assert.deepEqual(
      resources.map(({ type, name }) => `${type} ${name}`),
      ['DestinationRule shop/orders', 'WorkloadEntry a'],
    );
  });

  it('is reported on field by field', async () => {
    const [{ carriedOut, withoutEffect, refused } = assert.fail()] = (await facts(destination, '--all')).resources;
    assert.deepEqual(carriedOut, [
      'spec.host',
      'spec.trafficPolicy.tls.mode',
      'spec.trafficPolicy.tls.caCertificates',
      'spec.trafficPolicy.connectionPool.tcp.connectTimeout',
    ]);
    assert.deepEqual(
      withoutEffect.map(({ path }) => path),
      ['spec.trafficPolicy.connectionPool.tcp.tcpKeepalive'],
    );
    assert.deepEqual(refused, []);
  });

  const mistakes: readonly { readonly name: string; readonly from: string; readonly to: string; readonly reason: RegExp }[] = [
    {
      name: 'misspelt-field',
      from: 'trafficPolicy',
      to: 'traficPolicy',
      reason: /spec\.traficPolicy.*no such field; did you mean trafficPolicy\?/,
    },
    {
      name: 'misspelt-below-what-has-no-effect',
      from: 'probes: 3',
      to: 'probs: 3',
      reason: /tcpKeepalive\.probs .*did you mean probes\?/,
    },
    {
      name: 'misspelt-kind',
      from: 'DestinationRule',
      to: 'DestinationRules',
      reason: /no DestinationRules; did you mean DestinationRule\?/,
    },
    { name: 'version-that-is-not-there', from: 'io/v1\n', to: 'io/v2\n', reason: /has no version v2; it has v1/ },
    {
      name: 'another-group',
      from: 'networking.istio.io',
      to: 'security.istio.io',
      reason: /is in the group networking\.istio\.io/,
    },
    { name: 'field-beside-spec', from: 'spec:', to: 'sepc:', reason: /did you mean spec\?/ },
    {
      name: 'list-in-place-of-a-text',
      from: 'host: orders',
      to: 'host: [orders]',
      reason: /spec\.host +must be a text, not a list/,
    },
    {
      name: 'text-in-place-of-an-object',
      from: '{ mode: SIMPLE, caCertificates: /etc/ca.pem }',
      to: 'SIMPLE',
      reason: /tls +must be an object/,
    },
    {
      name: 'kind-of-others',
      from: 'networking.istio.io/v1\nkind: DestinationRule',
      to: 'apps/v1\nkind: Deployment',
      reason: /Deployment of apps\/v1 is not checked/,
    },
  ];
  for (const { name, from, to, reason } of mistakes) {
    it(`is refused for a mistake: ${name}`, async () => {
      const { status, out } = await run(destination.replace(from, to));
      assert.match(out, reason);
      assert.equal(status, 1);
    });
  }

  it('is told what of it holds for some values alone', async () => {
    const entry = (protocol: string): string =>
      `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: { name: a }\nspec: { hosts: [a], ports: [{ number: 1, name: p, protocol: ${protocol} }] }\n`;
    assert.equal((await facts(entry('HTTP'))).resources[0]?.withoutEffect.length, 0);
    assert.equal((await facts(entry('TCP'))).resources[0]?.withoutEffect[0]?.path, 'spec.ports[0].protocol');
  });
});

it('has colours on a terminal that has some, and the same words', async () => {
  const path = join(folder, 'file.yaml');
  await writeFile(path, destination);
  const printed = async (colours: boolean): Promise<string> => {
    let out = '';
    const stdout = { write: (part: string) => (out += part), isTTY: true, hasColors: () => colours };
    await validate([path], { stdout, stderr: { write: () => 0 } });
    return out;
  };
  const [plain, coloured] = [await printed(false), await printed(true)];
  assert.notEqual(plain, coloured);
  assert.equal(stripVTControlCharacters(coloured), plain);
});
