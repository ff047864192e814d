import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chooseCpus, startMeasured } from '../child-process.ts';
import { writeIdentities } from '../load/setting.ts';
import type { Setting } from '../turns.ts';
import type { ServerArguments } from './server-process.ts';

/** Makes certificates for this run; the processes that are compared are servers, each with a client on another CPU. */
export async function startServerSetting(): Promise<Setting> {
  const cpus = chooseCpus();
  const directory = await mkdtemp(join(tmpdir(), 'meshfetch-bench-'));
  const { orders, web } = await writeIdentities(directory);
  return {
    cpus,
    start(variant, nodeFlags = []) {
      const args: ServerArguments = { variant, server: orders, client: web, clientCpu: cpus.client };
      const file = join(import.meta.dirname, 'server-process.ts');
      return startMeasured({ file, args: [JSON.stringify(args)], nodeFlags, cpu: cpus.server });
    },
    stop: () => rm(directory, { recursive: true, force: true }),
  };
}
