/** `meshfetch validate` on the values of resources of Istio: what Istio refuses, it refuses, with what is right. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { validate } from '../../../src/cli/validate.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meshfetch-validate-istio-'));
});
after(() => rm(folder, { recursive: true }));

interface Row {
  readonly path: string;
  readonly reason: string;
}
interface Resource {
  readonly type: string;
  readonly carriedOut: readonly string[];
  readonly withoutEffect: readonly Row[];
  readonly notes: readonly Row[];
  readonly warnings: readonly Row[];
  readonly refused: readonly Row[];
}

async function run(texts: readonly string[], ...options: string[]): Promise<{ readonly status: number; readonly out: string }> {
  const paths = texts.map((_, index) => join(folder, `file-${index}.yaml`));
  for (const [index, path] of paths.entries()) await writeFile(path, texts[index]!);
  let out = '';
  const io = { stdout: { write: (part: string) => (out += part) }, stderr: { write: () => 0 } };
  return { status: await validate([...paths, ...options], io), out };
}

async function examined(
  ...texts: readonly string[]
): Promise<{ readonly status: number; readonly resources: readonly Resource[] }> {
  const { status, out } = await run(texts, '--json', '--all');
  const lines = out.trim().split('\n');
  return {
    status,
    resources: lines.flatMap((line) => (JSON.parse(line) as { resources?: readonly Resource[] }).resources ?? []),
  };
}

const resource = (kind: string, spec: object): string => {
  const group = kind === 'AuthorizationPolicy' ? 'security' : 'networking';
  return JSON.stringify({ apiVersion: `${group}.istio.io/v1`, kind, metadata: { name: 'a', namespace: 'shop' }, spec });
};
const routes = (route: object): string => resource('VirtualService', { hosts: ['a'], http: [route] });
const policy = (trafficPolicy: object): string => resource('DestinationRule', { host: 'a', trafficPolicy });
const subsets = (...names: readonly string[]): string =>
  resource('DestinationRule', { host: 'a', subsets: names.map((name) => ({ name, labels: { version: name } })) });

describe('values of resources of Istio', () => {
  const wrong: readonly (readonly [name: string, text: string, path: string, reason: RegExp])[] = [
    ['number-for-a-duration', routes({ timeout: 3 }), 'spec.http[0].timeout', /must be a duration such as "3s", not 3/],
    ['unit-of-no-duration', routes({ timeout: '1x' }), 'spec.http[0].timeout', /"1x" is no duration/],
    ['duration-below-a-millisecond', routes({ timeout: '0s' }), 'spec.http[0].timeout', /shorter than the millisecond/],
    ['parts-of-a-millisecond', routes({ timeout: '1.0005s' }), 'spec.http[0].timeout', /parts of a millisecond/],
    ['negative-attempts', routes({ retries: { attempts: -1 } }), 'spec.http[0].retries.attempts', /must be at least 0, not -1/],
    [
      'retries-that-are-off',
      routes({ retries: { attempts: 0, retryOn: '5xx' } }),
      'spec.http[0].retries.attempts',
      /turns retries off/,
    ],
    [
      'misspelt-condition-of-a-retry',
      routes({ retries: { attempts: 2, retryOn: '5xx,gateway-eror' } }),
      'spec.http[0].retries.retryOn',
      /"gateway-eror" is no condition of a retry; did you mean "gateway-error"\?/,
    ],
    [
      'condition-with-a-space',
      routes({ retries: { attempts: 2, retryOn: '5xx, reset' } }),
      'spec.http[0].retries.retryOn',
      /" reset" has a space/,
    ],
    [
      'open-regex',
      routes({ match: [{ uri: { regex: '(a' } }] }),
      'spec.http[0].match[0].uri.regex',
      /no.* pattern in RE2 syntax/,
    ],
    [
      'regex-that-only-others-have',
      routes({ match: [{ headers: { 'x-a': { regex: '(?=a)' } } }] }),
      'spec.http[0].match[0].headers.x-a.regex',
      /not a pattern in RE2 syntax/,
    ],
    [
      'two-kinds-of-one-match',
      routes({ match: [{ uri: { exact: '/a', prefix: '/b' } }] }),
      'spec.http[0].match[0].uri',
      /has exact and prefix, of which one may be there/,
    ],
    ['route-without-a-destination', routes({ route: [{ weight: 1 }] }), 'spec.http[0].route[0]', /has no destination/],
    [
      'percentage-over-100',
      routes({ fault: { abort: { httpStatus: 503, percentage: { value: 101 } } } }),
      'spec.http[0].fault.abort.percentage.value',
      /must be 0 to 100, not 101/,
    ],
    [
      'quoted-weight',
      routes({ route: [{ destination: { host: 'a' }, weight: '90' }] }),
      'spec.http[0].route[0].weight',
      /must be a whole number, not "90"; leave the quotes out/,
    ],
    [
      'misspelt-word',
      policy({ loadBalancer: { simple: 'LEAST_CON' } }),
      'spec.trafficPolicy.loadBalancer.simple',
      /did you mean "LEAST_CONN"\?/,
    ],
    [
      'text-for-a-number',
      policy({ outlierDetection: { consecutive5xxErrors: 'many' } }),
      'spec.trafficPolicy.outlierDetection.consecutive5xxErrors',
      /must be a whole number, not "many"/,
    ],
    [
      'percent-over-100',
      policy({ outlierDetection: { maxEjectionPercent: 500 } }),
      'spec.trafficPolicy.outlierDetection.maxEjectionPercent',
      /must be 0 to 100, not 500/,
    ],
    [
      'number-in-words',
      policy({ connectionPool: { http: { maxRetries: 'ten' } } }),
      'spec.trafficPolicy.connectionPool.http.maxRetries',
      /must be a whole number, not "ten"/,
    ],
    [
      'text-for-a-flag',
      policy({ connectionPool: { http: { useClientProtocol: 'yes' } } }),
      'spec.trafficPolicy.connectionPool.http.useClientProtocol',
      /must be true or false/,
    ],
    [
      'cookie-of-no-duration',
      policy({ loadBalancer: { consistentHash: { httpCookie: { name: 'a', ttl: 'soon' } } } }),
      'spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.ttl',
      /"soon" is no duration/,
    ],
    ['number-for-a-text', resource('DestinationRule', { host: 5 }), 'spec.host', /must be a text, not 5; write it in quotes/],
    ['no-host', resource('DestinationRule', {}), 'spec', /has no host, which has to be there/],
    [
      'word-below-what-has-no-effect',
      resource('AuthorizationPolicy', { action: 'DENNY' }),
      'spec.action',
      /did you mean "DENY"\?/,
    ],
    [
      'port-out-of-bounds',
      resource('ServiceEntry', { hosts: ['a'], ports: [{ number: 0, name: 'http', protocol: 'HTTP' }] }),
      'spec.ports[0].number',
      /must be 1 to 65535/,
    ],
    ...(
      [
        ['wildcard-host', { hosts: ['*'] }, 'spec.hosts', /a wildcard alone is none/],
        ['endpoints-without-resolution', { endpoints: [{ address: '192.0.2.1' }] }, 'spec.endpoints', /resolution NONE/],
        [
          'endpoints-and-a-selector',
          { resolution: 'STATIC', workloadSelector: { labels: { app: 'a' } }, endpoints: [{ address: '192.0.2.1' }] },
          'spec.endpoints',
          /beside workloadSelector/,
        ],
        [
          'two-endpoints-in-turn',
          { resolution: 'DNS_ROUND_ROBIN', endpoints: [{ address: 'a' }, { address: 'b' }] },
          'spec.endpoints',
          /one at most/,
        ],
        ['range-with-dns', { resolution: 'DNS', addresses: ['192.0.2.0/24'] }, 'spec.addresses', /NONE and STATIC alone/],
        ['port-twice', { ports: [1, 2].map((n) => ({ number: 80, name: `p${n}` })) }, 'spec.ports', /a number twice/],
        ['endpoint-without-address', { resolution: 'STATIC', endpoints: [{ labels: {} }] }, 'spec.endpoints[0]', /no address/],
      ] as const
    ).map(([name, spec, path, reason]) => [name, resource('ServiceEntry', { hosts: ['a'], ...spec }), path, reason] as const),
    ['workload-without-address', resource('WorkloadEntry', { labels: { app: 'a' } }), 'spec', /has no address/],
    ['too-short-a-list', resource('ServiceEntry', { hosts: [] }), 'spec.hosts', /must have 1 to 256 elements, not 0/],
    [
      'list-of-revoked-certificates',
      policy({ tls: { mode: 'SIMPLE', caCrl: '/crl.pem' } }),
      'spec.trafficPolicy.tls.caCrl',
      /so that every connection fails/,
    ],
  ];
  for (const [name, text, path, reason] of wrong) {
    it(`are refused where they are wrong: ${name}`, async () => {
      const { status, resources } = await examined(text);
      assert.equal(status, 1);
      assert.deepEqual(
        resources[0]!.refused.map((row) => row.path),
        [path],
      );
      assert.match(resources[0]!.refused[0]!.reason, reason);
      assert.equal(resources[0]!.carriedOut.includes(path), false);
    });
  }

  const right: readonly (readonly [name: string, text: string])[] = [
    ['durations-of-go', routes({ timeout: '1h30m', retries: { attempts: 2, perTryTimeout: '1.5s' } })],
    ['statuses-among-conditions', routes({ retries: { attempts: 2, retryOn: '503,unavailable,retriable-4xx' } })],
    ['no-retries', routes({ retries: { attempts: 0 } })],
    ['regex-of-re2', routes({ match: [{ uri: { regex: '^/a/(?P<id>[0-9]+)$' } }] })],
    ['null-where-it-may-be', policy({ outlierDetection: { consecutive5xxErrors: null, maxEjectionPercent: 100 } })],
    ['cookie-of-the-session', policy({ loadBalancer: { consistentHash: { httpCookie: { name: 'a', ttl: '0s' } } } })],
  ];
  for (const [name, text] of right) {
    it(`are taken where they are right: ${name}`, async () => {
      const { status, resources } = await examined(text);
      assert.deepEqual(resources[0]!.refused, []);
      assert.equal(status, 0);
    });
  }

  it('are refused, and nothing fails, where objects stand in place of all texts', async () => {
    const odd = '{ a: 1 }';
    const text = [
      `apiVersion: ${odd}\nkind: ServiceEntry\nspec: {}`,
      `apiVersion: networking.istio.io/v1\nkind: ${odd}\nspec: {}`,
      `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: { name: ${odd} }\nspec: { hosts: [${odd}], addresses: [${odd}], resolution: ${odd}, ports: [{ number: 1, name: a, protocol: ${odd} }] }`,
      `apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: { name: ${odd} }\nspec: { host: a, subsets: [{ name: ${odd} }] }`,
      `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: ${odd}\nspec: { gateways: [${odd}], http: [{ route: [{ destination: { host: ${odd} }, weight: 1 }, { destination: { host: a, subset: b }, weight: 1 }] }] }`,
    ].join('\n---\n');
    const { status, resources } = await examined(text);
    assert.deepEqual([status, resources.length], [1, 5]);
    for (const { refused } of resources) assert.ok(refused.length > 0);
  });

  it('name files of TLS that are carried out, and who reads them', async () => {
    const tls = { mode: 'MUTUAL', clientCertificate: '/a.pem', privateKey: '/a.key', caCertificates: '/ca.pem' };
    const { status, resources } = await examined(policy({ tls }));
    assert.equal(status, 0);
    const [{ carriedOut, withoutEffect, notes } = assert.fail()] = resources;
    assert.deepEqual(withoutEffect, []);
    const files = ['clientCertificate', 'privateKey', 'caCertificates'].map((name) => `spec.trafficPolicy.tls.${name}`);
    assert.deepEqual(
      notes.map(({ path }) => path),
      files,
    );
    for (const path of files) assert.ok(carriedOut.includes(path));
    assert.match(
      (await run([policy({ tls })])).out,
      /carried out {5}spec\.trafficPolicy\.tls\.caCertificates .*istioControlPlane/,
    );
  });
});

describe('destinations of routes of Istio', () => {
  const to = (subset: string, host = 'a'): object => ({ destination: { host, subset } });

  const missing: readonly (readonly [name: string, route: object, path: string])[] = [
    ['route', { route: [to('v7')] }, 'spec.http[0].route[0].destination.subset'],
    ['mirror', { route: [to('v1')], mirror: { host: 'a', subset: 'v7' } }, 'spec.http[0].mirror.subset'],
    ['one-of-several-mirrors', { route: [to('v1')], mirrors: [to('v7')] }, 'spec.http[0].mirrors[0].destination.subset'],
    ['host-with-its-domain', { route: [to('v7', 'a.shop.svc.cluster.local')] }, 'spec.http[0].route[0].destination.subset'],
  ];
  for (const [name, route, path] of missing) {
    it(`are refused for a subset that the DestinationRule beside them does not have: ${name}`, async () => {
      const { status, resources } = await examined(`${routes(route)}\n---\n${subsets('v1')}\n`);
      assert.equal(status, 1);
      assert.deepEqual(
        resources[0]!.refused.map((row) => row.path),
        [path],
      );
      assert.match(resources[0]!.refused[0]!.reason, /no subset "v7", so that requests fail; did you mean "v1"\?/);
    });
  }

  it('find subsets in the other files of the same command', async () => {
    const found = await examined(routes({ route: [to('v1')] }), subsets('v1'));
    assert.deepEqual([found.status, found.resources[0]!.refused, found.resources[0]!.warnings], [0, [], []]);
    assert.equal((await examined(routes({ route: [to('v2')] }), subsets('v1'))).status, 1);
  });

  it('find subsets in a DestinationRule with a wildcard', async () => {
    const wide = resource('DestinationRule', { host: '*.shop.svc.cluster.local', subsets: [{ name: 'v1' }] });
    assert.equal((await examined(routes({ route: [to('v1')] }), wide)).status, 0);
    assert.equal((await examined(routes({ route: [to('v2')] }), wide)).status, 1);
  });

  it('are warned of where no DestinationRule of the host is in the files', async () => {
    const { status, resources } = await examined(routes({ route: [to('v1', 'b')] }), subsets('v1'));
    assert.equal(status, 0);
    assert.match(resources[0]!.warnings[0]!.reason, /no DestinationRule for b is in the files/);
  });

  it('are not looked for where no subset is asked for', async () => {
    const { status, resources } = await examined(routes({ route: [{ destination: { host: 'elsewhere' } }] }));
    assert.deepEqual([status, resources[0]!.warnings], [0, []]);
  });

  it('are told with their shares where the weights do not add up to 100', async () => {
    const weighted = (...weights: readonly number[]): string =>
      routes({ route: weights.map((weight, index) => ({ destination: { host: `h${index}` }, weight })) });
    const { status, resources } = await examined(weighted(90, 20));
    assert.equal(status, 0);
    // 90/110 = 81.8 %, 20/110 = 18.2 %
    assert.match(resources[0]!.warnings[0]!.reason, /add up to 110, not 100: 81\.8 % to h0, 18\.2 % to h1/);
    assert.match((await run([weighted(90, 20)])).out, /0 refused, 1 warning\n/);
    assert.deepEqual((await examined(weighted(90, 10))).resources[0]!.warnings, []);
  });
});
