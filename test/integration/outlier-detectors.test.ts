/** Detectors beside the row of failures, and how an ejected host comes back, on real sockets. */
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import type { Mesh } from 'meshfetch';
import type { OutlierDetectionConfig } from '../../src/model/detection.ts';
import { eventually } from '../support/mesh-of.ts';
import { ask, policyMesh } from '../support/policy-mesh.ts';
import { answer, startServer } from '../support/servers.ts';

const detection: OutlierDetectionConfig = {
  consecutive5xx: 0,
  baseEjectionMs: 60_000,
  maxEjectionMs: 60_000,
  maxEjectionPercent: 50,
};

/** The first of these hosts behaves as `handler` says, the others are well. */
async function fleet(t: TestContext, handler: RequestListener, size: number, outlierDetection: OutlierDetectionConfig) {
  const odd = await startServer(handler);
  const others = await Promise.all(Array.from({ length: size - 1 }, () => startServer(answer('ok'))));
  const { mesh } = await policyMesh(
    t,
    [odd, ...others].map(({ address }) => address),
    {},
    { cluster: { outlierDetection, locality: { mode: 'none', panicThresholdPercent: 0 } } },
  );
  const stateOf = (): string => mesh.status().clusters[0]!.endpoints.find(({ address }) => address === odd.address)!.state;
  return { mesh, odd, others, stateOf };
}

async function askUntil(mesh: Mesh, what: string, isTrue: () => boolean): Promise<void> {
  await eventually(what, () => {
    void ask(mesh).catch(() => {});
    return isTrue();
  });
}

describe('detection by intervals', () => {
  it('ejects the host whose success rate is far below the others', async (t) => {
    let turn = 0;
    const { mesh, stateOf, others } = await fleet(
      t,
      (_request, response) => response.writeHead(turn++ % 2 ? 200 : 500).end(),
      5,
      {
        ...detection,
        intervalMs: 100,
        successRate: { minimumHosts: 5, requestVolume: 5, stdevFactor: 1.9, enforcingPercent: 100 },
      },
    );
    await askUntil(mesh, 'it is out', () => stateOf() === 'outlier');
    assert.equal(mesh.status().clusters[0]!.endpoints.filter(({ state }) => state === 'outlier').length, 1);
    const before = others.reduce((sum, { requests }) => sum + requests.length, 0);
    for (let index = 0; index < 8; index++) assert.equal((await ask(mesh)).body, 'ok');
    assert.ok(others.reduce((sum, { requests }) => sum + requests.length, 0) >= before + 8);
  });

  it('ejects the host that fails too large a share, whatever the others do', async (t) => {
    const { mesh, stateOf } = await fleet(t, (_request, response) => response.writeHead(503).end(), 2, {
      ...detection,
      intervalMs: 100,
      failurePercentage: { thresholdPercent: 85, minimumHosts: 1, requestVolume: 5, enforcingPercent: 100 },
    });
    await askUntil(mesh, 'it is out', () => stateOf() === 'outlier');
  });

  it('ejects the host whose success rate averages too low, 429 included', async (t) => {
    const { mesh, stateOf } = await fleet(t, (_request, response) => response.writeHead(429, { 'retry-after': '40' }).end(), 2, {
      ...detection,
      baseEjectionMs: 1000,
      respectRetryAfter: true,
      successRateAverage: { threshold: 0.8, decayMs: 10_000, minimumRequests: 5 },
    });
    await askUntil(mesh, 'it is out', () => stateOf() === 'outlier');
    const { outForMs } = mesh.status().clusters[0]!.endpoints.find(({ state }) => state === 'outlier')!;
    assert.ok(outForMs! > 30_000 && outForMs! <= 40_000, `${outForMs}`);
  });
});

describe('an ejected host', () => {
  const row = { ...detection, consecutive5xx: 2, baseEjectionMs: 100, maxEjectionMs: 100 };

  it('comes back whole by time alone where the policy says so', async (t) => {
    const { mesh, odd, stateOf } = await fleet(t, (_request, response) => response.writeHead(500).end(), 2, {
      ...row,
      returnOnProbe: false,
    });
    while (stateOf() === 'healthy') await ask(mesh);
    const before = odd.requests.length;
    await eventually('it is back', () => stateOf() === 'healthy');
    assert.equal(odd.requests.length, before);
  });

  it('is not probed by a request that may not be lost, while others serve', async (t) => {
    let isWell = false;
    const { mesh, odd, stateOf } = await fleet(t, (_request, response) => response.writeHead(isWell ? 200 : 500).end(), 2, row);
    await askUntil(mesh, 'it is out', () => stateOf() === 'outlier');
    isWell = true;
    const outForMs = (): number => mesh.status().clusters[0]!.endpoints.find(({ state }) => state === 'outlier')?.outForMs ?? -1;
    await eventually('its time is over', () => outForMs() === 0);
    const before = odd.requests.length;
    for (let index = 0; index < 10; index++) assert.equal((await ask(mesh, { method: 'POST', body: 'an order' })).body, 'ok');
    assert.equal(odd.requests.length, before);
    await askUntil(mesh, 'a GET brings it back', () => stateOf() === 'healthy');
  });

  it('stays out when the trailers of its probe say that it failed', async (t) => {
    const failing: RequestListener = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/grpc', trailer: 'grpc-status' });
      response.addTrailers({ 'grpc-status': '14' });
      response.end('half of a message');
    };
    const { mesh, odd, stateOf } = await fleet(t, failing, 2, row);
    await askUntil(mesh, 'it is out', () => stateOf() === 'outlier');
    const before = odd.requests.length;
    await askUntil(mesh, 'it was probed', () => odd.requests.length > before);
    for (let index = 0; index < 4; index++) assert.equal((await ask(mesh)).body, 'ok');
    assert.equal(stateOf(), 'outlier');
  });
});
