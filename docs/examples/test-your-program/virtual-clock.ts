import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createMesh, type MeshError } from 'meshfetch';
import { createVirtualClock, seededRandom } from 'meshfetch/testing';

//#region clock
/** A service that never answers, a timeout of an hour, and a test that takes milliseconds. */
export async function timesOutAfterAnHour(): Promise<MeshError> {
  const asked = Promise.withResolvers<void>();
  const server = createServer(() => asked.resolve());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  const clock = createVirtualClock();
  await using mesh = await createMesh({
    controlPlane: { services: { orders: { endpoints: [`127.0.0.1:${port}`], timeoutMs: 3_600_000 } } },
    clock,
    random: seededRandom(1), // the same choices in every run
    drainTimeoutMs: 0,
  });
  const outcome = mesh.fetch('http://orders/').catch((error: Error) => error.cause);
  await asked.promise; // the request is there …
  await clock.advance(3_600_000); // … and an hour passes
  server.close();
  return (await outcome) as MeshError;
}
//#endregion
