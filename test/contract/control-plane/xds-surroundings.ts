import { xdsControlPlane } from '../../../src/control-plane/xds/index.ts';
import { assignment, edsCluster, routeTable, sidecarListener } from '../../support/envoy-samples.ts';
import { startXdsPlane } from '../../support/xds-plane.ts';
import type { Surroundings } from './surroundings.ts';

/** An xDS server that knows one service, as a sidecar would be told of it. */
export async function xdsSurroundings(): Promise<Surroundings> {
  const server = await startXdsPlane();
  let isThere = false;
  return {
    plane: xdsControlPlane({ servers: server.address, mode: 'sidecar' }, {}),
    wanted: { kind: 'authority', host: 'orders', port: 80 },
    unknown: { kind: 'authority', host: 'nobody', port: 80 },
    async publish(number) {
      server.set('endpoints', assignment('orders', 7000 + number));
      if (isThere) return;
      isThere = true;
      server.set('cluster', edsCluster('orders'));
      server.set('listener', sidecarListener(80));
      server.set('routeConfiguration', routeTable('80', { orders: 'orders' }));
    },
    async spoil() {
      server.garble('endpoints', 'orders', Uint8Array.of(0xff, 0xff, 0xff));
    },
    isInForce: ({ endpoints }, number) => JSON.stringify([...endpoints.values()]).includes(`"port":${7000 + number}`),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
