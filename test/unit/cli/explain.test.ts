import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { explainCommand } from '../../../src/cli/explain.ts';
import { entry, startFakeConsul } from '../control-plane/consul/fake-consul.ts';

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'meshfetch-explain-'));
});
after(() => rm(directory, { recursive: true }));

async function run(...args: string[]): Promise<{ status: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const io = { stdout: { write: (text: string) => (out += text) }, stderr: { write: (text: string) => (err += text) } };
  const status = await explainCommand(args, io);
  return { status, out, err };
}

async function config(text: string): Promise<string> {
  const path = join(directory, 'mesh.yaml');
  await writeFile(path, text);
  return path;
}

describe('meshfetch explain', { timeout: 30_000 }, () => {
  it('waits for the answer of a control plane that is asked for each service', async () => {
    await using consul = await startFakeConsul();
    const running = run('http://orders/', '--config', consul.origin.replace('http:', 'consul:'));
    (await consul.next()).answer([entry(7001)], 7);
    const { status, out } = await running;
    assert.match(out, /100 % to orders: 1 of 1 endpoints healthy/);
    assert.equal(status, 0);
  });

  it('waits for the addresses of a name', async () => {
    const path = await config('services: { billing: { dns: "localhost:8080" } }\n');
    const { status, out } = await run('http://billing/', '--config', path);
    assert.match(out, /100 % to billing: (\d) of \1 endpoints healthy/);
    assert.match(out, /127\.0\.0\.1:8080 {2}healthy/);
    assert.equal(status, 0);
  });

  it('says why there are no addresses', async () => {
    const path = await config('services: { billing: { dns: "nobody.invalid:8080" } }\n');
    const { status, out } = await run('http://billing/', '--config', path);
    assert.match(out, /100 % to billing: .*nobody\.invalid/);
    assert.equal(status, 1);
  });

  it('explains a host that is no service', async () => {
    const { status, out } = await run('http://localhost:9/', '--config', await config('services: {}\n'));
    assert.match(out, /(\d) of \1 endpoints healthy/);
    assert.equal(status, 0);
  });

  it('tells the request as it is sent, its copies and its policies', async () => {
    const path = await config(`services:
  orders:
    endpoints: [192.0.2.1:80]
    overrideHeaders: envoy
    rateLimit: { requests: 5, perMs: 100 }
    priority: high
    hedge: { backup: { maxExtraLoadPercent: 5 } }
    fault: { delay: { fixedMs: 20, percent: 1 }, abort: { status: 503, percent: 50 } }
    routes:
      - match: { path: { segmentPrefix: /api } }
        rewrite: { path: { prefix: /v2 }, host: orders.internal }
        requestHeaders: { set: { x-mesh: 'yes' } }
        mirror: [{ service: shadow, percent: 10 }]
  shadow: { endpoints: [192.0.2.2:80] }
`);
    const header = 'x-envoy-upstream-rq-timeout-ms: 700';
    const { status, out } = await run('http://orders/api/1', '--config', path, '--header', header);
    const lines = out.split('\n').slice(3, -2);
    assert.deepEqual(lines, [
      '  timeout       700 ms',
      '  retry         up to 2 attempts on connect-failure, refused-stream, reset-before-request, reset',
      '  hedge         a second attempt for the slowest 5 %',
      '  overrides     x-envoy-upstream-rq-timeout-ms',
      '  priority      high',
      '  fault         1 % delayed by 20 ms',
      '  fault         50 % answered with 503',
      '  rate limit    5 requests in 100 ms, 5 left now',
      '  destination   100 % → orders',
      '                  sent as /v2/1 to the host orders.internal',
      '                    x-mesh: yes',
      '                    x-envoy-original-host: orders',
      '                    x-envoy-original-path: /api/1',
      '                  copy of 10 % → shadow',
      '                  balanced: least-request',
      '                  TLS: as the URL says',
      '                  limits: maxConnections 1024, maxPendingRequests 1024, maxRequests 1024',
      '                  ejection: cusum, splitLocalOriginErrors false, baseEjectionMs 5000, maxEjectionMs 300000, maxEjectionPercent 67, alwaysEjectOneHost true',
      '                  192.0.2.1:80  healthy  weight 1',
    ]);
    assert.equal(status, 0);
  });

  it('tells the answer of a route that needs no endpoint', async () => {
    const path = await config('services: { old: { routes: [{ redirect: { host: new, status: 302 } }] } }\n');
    const { status, out } = await run('http://old/a', '--config', path);
    assert.match(out, /answer {8}302\n {16}location: http:\/\/new\/a\n {2}answered with 302 and the location http:\/\/new\/a/);
    assert.equal(status, 0);
  });

  const answered: readonly { name: string; policy: string; verdict: RegExp; status: number }[] = [
    { name: 'abort-of-all', policy: 'fault: { abort: { status: 503 } }', verdict: /answered with 503 on purpose/, status: 1 },
    {
      name: 'abort-of-some',
      policy: 'fault: { abort: { grpcStatus: 14, percent: 5 } }',
      verdict: /5 % answered with gRPC status 14 on purpose .*, the others: 1 of 1 endpoints healthy/,
      status: 0,
    },
    {
      name: 'abort-of-other-requests',
      policy: "fault: { abort: { status: 503 }, headers: { x-test: '1' } }",
      verdict: /to orders: 1 of 1 endpoints healthy$/,
      status: 0,
    },
    {
      name: 'abort-of-an-answer',
      policy: 'fault: { abort: { status: 503 } }, routes: [{ respond: { status: 200 } }]',
      verdict: /answered with 503 on purpose/,
      status: 1,
    },
  ];
  for (const { name, policy, verdict, status } of answered) {
    it(`does not promise an endpoint to what a fault answers: ${name}`, async () => {
      const path = await config(`services: { orders: { endpoints: ["192.0.2.1:80"], ${policy} } }\n`);
      const result = await run('http://orders/', '--config', path);
      assert.match(result.out.trimEnd(), verdict);
      assert.equal(result.status, status);
    });
  }

  it('says what of its policies does not hold for a POST', async () => {
    const path = await config(
      'services: { orders: { endpoints: ["192.0.2.1:80"], hedge: { delayMs: 50 }, retry: { on: [refused-stream, reset, 5xx] } } }\n',
    );
    const post = await run('http://orders/', '--config', path, '--method', 'POST');
    assert.match(
      post.out,
      /retry +up to 2 attempts on refused-stream\n +not on reset, 5xx: POST without idempotency-key .*\n +hedge +never: POST without/,
    );
    const keyed = await run('http://orders/', '--config', path, '--method', 'POST', '--header', 'Idempotency-Key: 1');
    assert.match(keyed.out, /retry +up to 2 attempts on refused-stream, reset, 5xx\n +hedge +another attempt each 50 ms/);
  });

  it('says which condition of a route the request does not meet', async () => {
    const path = await config(`services:
  orders:
    endpoints: [192.0.2.1:80]
    routes:
      - { match: { path: { prefix: /api } } }
      - { match: { methods: [PUT] } }
      - { match: { headers: { x-a: '1', x-b: '1' } } }
      - { match: { query: { q: '1' } } }
      - { match: { cookies: { c: '1' } } }
      - { match: { grpc: true } }
      - { match: { percent: 0 } }
`);
    const { out, status } = await run('http://orders/', '--config', path, '--header', 'x-a: 1');
    assert.deepEqual(
      [...out.matchAll(/✗ orders\.routes\[\d\]: (.*)/g)].map(([, why]) => why),
      [
        'path (prefix /api)',
        'method (PUT)',
        'header x-b',
        'query parameter q',
        'cookie c',
        'no gRPC request',
        'takes a share of 0 %',
      ],
    );
    assert.equal(status, 1);
  });

  it('tells priority, place, health and weight of each endpoint, and how these are watched', async () => {
    const path = await config(`services:
  orders:
    endpoints:
      - { address: 192.0.2.1:80, zone: a, weight: 3 }
      - { address: 192.0.2.2:80, zone: b, health: degraded }
      - { address: 192.0.2.3:80, zone: b, priority: 1 }
      - { address: 192.0.2.4:80, priority: 1, health: draining }
    localities: { mode: zone-aware, zoneAwareMinClusterSize: 2 }
    loadBalancing: { policy: subsetting, size: 2, child: { policy: round-robin } }
    circuitBreaker: { scope: service, fallback: { respond: { status: 200 } } }
`);
    const { out } = await run('http://orders/', '--config', path);
    const lines = out.split('\n').map((line) => line.trim());
    assert.deepEqual(
      lines.filter((line) => /^(?:balanced|localities|breaker|192)/.test(line)),
      [
        'balanced: subsetting (size 2, child (policy round-robin))',
        'localities: mode zone-aware, panicThresholdPercent 30, zoneAwareMinClusterSize 2',
        'breaker: errorThresholdPercent 50, minimumRequests 10, openMs 5000, windowMs 10000, scope cluster, fallback (kind answer, status 200)',
        '192.0.2.1:80  healthy  weight 3  zone a',
        '192.0.2.2:80  healthy, degraded  weight 1  zone b',
        '192.0.2.3:80  healthy  weight 1  priority 1  zone b',
        '192.0.2.4:80  control-plane  weight 1  priority 1',
      ],
    );
  });

  it('tells how a service is balanced and protected', async () => {
    const path = await config(`services:
  orders:
    endpoints: [192.0.2.1:80]
    loadBalancing: { policy: ring-hash }
    hash: [{ header: x-user }, { process: true }]
    limits: { adaptive: { algorithm: vegas } }
    circuitBreaker: {}
    tls: { mode: simple, peers: [orders.example.org] }
`);
    const { out } = await run('http://orders/', '--config', path);
    assert.match(out, /balanced: ring-hash by header x-user, process\n/);
    const other = await run(
      'http://orders/',
      '--config',
      await config('services: { orders: { endpoints: ["192.0.2.1:80"], hash: [{ header: x }] } }\n'),
    );
    assert.match(other.out, /balanced: least-request\n/);
    assert.match(out, /TLS: simple, the certificate names orders\.example\.org\n/);
    assert.match(out, /limits: .*, adaptive \(algorithm vegas\)\n/);
    assert.match(out, /breaker: errorThresholdPercent 50, /);
  });

  it('explains the request that opens a WebSocket', async () => {
    const path = await config('services: { orders: { endpoints: ["192.0.2.1:80"] } }\n');
    const { status, out } = await run('ws://orders/v2', '--config', path);
    assert.match(out, /100 % to orders: 1 of 1 endpoints healthy/);
    assert.equal(status, 0);
  });

  it('says that unknown hosts are refused where they are', async () => {
    const path = await config('unknownHosts: refuse\n');
    const { status, out } = await run('http://orders/', '--config', path);
    assert.match(out, /no control plane knows orders.*unknownHosts is "refuse".*: the request fails with MESH_UNKNOWN_HOST\n$/);
    assert.equal(status, 1);
  });

  for (const header of ['nocolon', ': value', 'x y: z']) {
    it(`refuses the header ${JSON.stringify(header)}`, async () => {
      const { status, err } = await run('http://orders/', '--config', await config('services: {}\n'), '--header', header);
      assert.equal(err, `meshfetch explain: ${JSON.stringify(header)} is no header; write --header "name: value"\n`);
      assert.equal(status, 2);
    });
  }

  for (const url of ['nonsense', 'orders/api', 'ftp://orders/']) {
    it(`says what a URL looks like when given ${url}`, async () => {
      const { status, out, err } = await run(url, '--config', await config('services: {}\n'));
      assert.equal(err, `meshfetch explain: "${url}" is no URL; write it out, as in http://orders/api\n`);
      assert.equal(out, '');
      assert.equal(status, 2);
    });
  }

  for (const target of ['mesh:///orders', 'mesh://orders', 'mesh:orders', 'mesh://shop/orders/demo.Shop/Get']) {
    it(`says how a call is written when given ${target}`, async () => {
      const { status, err } = await run(target, '--config', await config('services: {}\n'));
      const written = 'http://orders/package.Service/Method --method POST --header "content-type: application/grpc"';
      assert.equal(err, `meshfetch explain: "${target}" is a target of gRPC; a call is ${written}\n`);
      assert.equal(status, 2);
    });
  }
});
