/** A real Prometheus scrapes a port of mutual TLS whose metrics are served in plaintext, and answers queries about it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { metrics } from '@opentelemetry/api';
import { prometheusHandler } from '../../../src/integrations/prometheus.ts';
import { askHttp1, listening } from '../../support/listening.ts';

const binary = process.env['MESHFETCH_LIVE_PROMETHEUS'];

interface Answer {
  readonly data: {
    readonly result: readonly { readonly metric: Readonly<Record<string, string>>; readonly value: [number, string] }[];
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts Prometheus, which scrapes `target` each second; returns what asks it. */
async function prometheusOf(t: TestContext, target: string): Promise<(query: string) => Promise<Answer['data']['result']>> {
  const folder = mkdtempSync(join(tmpdir(), 'prometheus-'));
  const port = await freePort();
  writeFileSync(
    join(folder, 'prometheus.yml'),
    `scrape_configs: [{ job_name: orders, scrape_interval: 1s, static_configs: [{ targets: ['${target}'] }] }]\n`,
  );
  const child = spawn(
    binary!,
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const ended = new Promise((resolve) => child.once('exit', resolve));
  t.after(async () => {
    child.kill();
    await ended;
    rmSync(folder, { recursive: true, force: true });
  });
  return async (query) => {
    try {
      const response = await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(query)}`);
      return ((await response.json()) as Answer).data.result;
    } catch {
      return [];
    }
  };
}

describe('Prometheus', { skip: binary === undefined && 'MESHFETCH_LIVE_PROMETHEUS names no binary' }, () => {
  it('scrapes a port of mutual TLS over its plaintext path, and knows what was asked and refused there', async (t) => {
    t.after(() => metrics.disable());
    const { port, mesh } = await listening(t, {
      handler: prometheusHandler(),
      options: { mode: 'strict', plaintextPaths: ['/metrics'] },
    });
    for (let count = 0; count < 3; count++) assert.equal((await askHttp1(port)).status, 403);
    const ask = await prometheusOf(t, `127.0.0.1:${port}`);
    const until = async (query: string): Promise<Answer['data']['result']> => {
      for (let tries = 0; tries < 120; tries++) {
        const result = await ask(query);
        if (result.length > 0) return result;
        await sleep(250);
      }
      throw new Error(`no answer to ${query}`);
    };
    const [up] = await until('up{job="orders"} == 1');
    assert.equal(up?.value[1], '1');
    const [refusals] = await until('meshfetch_server_refusals_total{meshfetch_refusal_reason="plaintext"}');
    assert.equal(refusals?.value[1], '3');
    assert.equal(refusals?.metric['meshfetch_mesh_name'], mesh.name);
    // A histogram of which it makes a quantile: buckets, names and types are as it wants them.
    const [quantile] = await until(
      'histogram_quantile(0.5, sum by (le) (http_server_request_duration_bucket{http_response_status_code="403"})) > 0',
    );
    assert.ok(Number(quantile?.value[1]) > 0);
  });
});
