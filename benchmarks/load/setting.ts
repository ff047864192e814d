import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testAuthority, workloadNames, writeIdentityFiles, validity } from '../../test/support/certificates.ts';
import { chooseCpus, startChild, startMeasured } from '../child-process.ts';
import type { Setting } from '../turns.ts';
import type { ClientArguments } from './client.ts';
import type { IdentityFiles, OriginsAnswer, OriginsQuestion } from './origins.ts';
import type { Target } from './variants.ts';

const originCount = 4;

/** Starts four origins in a process of their own; the processes that are compared are clients of them. `mtls`: TLS 1.3 with certificates on both sides, made for this run. */
export async function startSetting(mtls: boolean): Promise<Setting> {
  const cpus = chooseCpus();
  const directory = await mkdtemp(join(tmpdir(), 'meshfetch-bench-'));
  const tls = mtls ? await writeIdentities(directory) : undefined;
  const origins = startChild({ file: join(import.meta.dirname, 'origins.ts'), args: [], cpu: cpus.server });
  const question: OriginsQuestion = { count: originCount, ...(tls && { tls: tls.orders }) };
  const { ports } = await origins.ask<OriginsAnswer>(question);
  const target: Target = { ports, ...(tls && { tls: tls.web }) };
  return {
    cpus,
    start(variant, nodeFlags = []) {
      const args: ClientArguments = { variant, target };
      return startMeasured({
        file: join(import.meta.dirname, 'client.ts'),
        args: [JSON.stringify(args)],
        nodeFlags,
        cpu: cpus.client,
      });
    },
    async stop() {
      await origins.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Writes certificates of `orders`, which serves, and `web`, which calls. */
export async function writeIdentities(
  directory: string,
): Promise<{ readonly orders: IdentityFiles; readonly web: IdentityFiles }> {
  const authority = await testAuthority('meshfetch benchmark CA');
  // Clients without a mesh reach an origin by its address and expect that in the certificate.
  const orders = await authority.issue({ ...workloadNames('orders'), ipAddresses: ['127.0.0.1'] }, validity());
  const web = await authority.issue(workloadNames('web'), validity());
  return {
    orders: await writeIdentityFiles(directory, 'orders', orders, authority),
    web: await writeIdentityFiles(directory, 'web', web, authority),
  };
}
