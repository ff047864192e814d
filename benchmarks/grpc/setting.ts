import { join } from 'node:path';
import { chooseCpus, startChild, startMeasured } from '../child-process.ts';
import type { Setting } from '../turns.ts';
import type { BackendAnswer } from '../xds/backend-process.ts';
import type { PlaneAnswer, PlaneOrder } from '../xds/plane-process.ts';
import type { CallKind, GrpcClientArguments } from './client.ts';
import type { Target } from './variants.ts';

const endpointCount = 4;

/** Starts a gRPC backend at four addresses and an xDS server that knows them, each a process. */
export async function startGrpcSetting(kind: CallKind): Promise<Setting> {
  const cpus = chooseCpus();
  const xds = join(import.meta.dirname, '../xds');
  const backend = startChild({ file: join(xds, 'backend-process.ts'), args: [], cpu: cpus.server });
  const plane = startChild({ file: join(xds, 'plane-process.ts'), args: [], cpu: cpus.server });
  const { grpcPort: port } = await backend.ask<BackendAnswer>({});
  const order: PlaneOrder = { do: 'serve', services: 1, endpointsEach: endpointCount, port, form: 'by name' };
  const { address: controlPlane } = await plane.ask<PlaneAnswer>(order);
  const endpoints = Array.from({ length: endpointCount }, (_, index) => `127.1.0.${index}:${port}`);
  const target: Target = { endpoints, controlPlane };
  return {
    cpus,
    start(variant, nodeFlags = []) {
      const args: GrpcClientArguments = { variant, kind, target };
      return startMeasured({
        file: join(import.meta.dirname, 'client.ts'),
        args: [JSON.stringify(args)],
        nodeFlags,
        cpu: cpus.client,
      });
    },
    async stop() {
      await Promise.all([backend.stop(), plane.stop()]);
    },
  };
}
