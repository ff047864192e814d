/** What an xDS client costs that does nothing yet, and what a small change costs one that knows a lot: by what is loaded and built. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { EndpointsConfig } from '../../../../src/model/cluster.ts';
import { assignment, edsCluster } from '../../../support/envoy-samples.ts';
import { sourceOnStore } from '../../../support/xds-source.ts';

const run = promisify(execFile);

/** Packages whose files a program has loaded when it ends. */
async function packagesOf(specifier: string): Promise<readonly string[]> {
  const program = `
    import { Module, registerHooks } from 'node:module';
    const files = [];
    registerHooks({ load(url, context, next) { files.push(url); return next(url, context); } });
    await import(${JSON.stringify(specifier)});
    console.log(JSON.stringify([...files, ...Object.keys(Module._cache)]));`;
  const args = ['--conditions=meshfetch-source', '--input-type=module', '--eval', program];
  const cwd = fileURLToPath(new URL('../../../../', import.meta.url));
  const { stdout } = await run(process.execPath, args, { cwd });
  const names = (JSON.parse(stdout) as string[]).flatMap(
    (path) => /node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)[\\/](?!.*node_modules)/.exec(path)?.[1] ?? [],
  );
  return [...new Set(names)].toSorted();
}

describe('importing', () => {
  it('loads no library for messages, for tokens of a cloud or for patterns', async () => {
    const packages = await packagesOf('meshfetch/xds');
    assert.ok(packages.includes('@grpc/grpc-js'));
    const heavy =
      /^(?:@grpc\/proto-loader|@grpc\/grpc-js-xds|protobufjs|@protobufjs\/.*|google-auth-library|re2.*|@peculiar\/.*)$/;
    assert.deepEqual(
      packages.filter((name) => heavy.test(name)),
      [],
    );
  });

  it('loads nothing of gRPC for a program without xDS', async () => {
    assert.deepEqual(
      (await packagesOf('meshfetch')).filter((name) => name.startsWith('@grpc/')),
      [],
    );
  });
});

describe('a list of 500 endpoints', () => {
  const addresses = Array.from({ length: 500 }, (_, index) => `192.0.2.${index % 250}:${8000 + Math.floor(index / 250)}`);
  const newIn = (later: ReadonlySet<object>, earlier: ReadonlySet<object>): number =>
    [...later].filter((endpoint) => !earlier.has(endpoint)).length;
  const endpointsOf = ({ localities }: EndpointsConfig): ReadonlySet<object> =>
    new Set(localities.flatMap(({ endpoints }) => endpoints));

  it('builds one endpoint of 500 anew when one changed, and none when one left', async () => {
    await using source = await sourceOnStore();
    await source.client.push('cluster', [edsCluster('orders')]);
    source.ask('orders');
    await source.settled();
    await source.client.push('endpoints', [assignment('orders', ...addresses)]);
    const first = endpointsOf(source.value('endpoints', 'orders')!);
    assert.equal(first.size, 500);

    await source.client.push('endpoints', [assignment('orders', ...addresses.slice(1))]);
    const second = endpointsOf(source.value('endpoints', 'orders')!);
    assert.deepEqual([second.size, newIn(second, first)], [499, 0]);

    await source.client.push('endpoints', [assignment('orders', '198.51.100.1:80', ...addresses.slice(2))]);
    const third = endpointsOf(source.value('endpoints', 'orders')!);
    assert.deepEqual([third.size, newIn(third, second)], [499, 1]);
  });
});
