import { createMesh, type MeshError } from 'meshfetch';
import { createVirtualClock, fakeUpstream, seededRandom } from 'meshfetch/testing';

//#region clock
/** A service that takes two hours, a timeout of one, and a test that takes milliseconds. */
export async function timesOutAfterAnHour(): Promise<MeshError> {
  const clock = createVirtualClock();
  await using orders = await fakeUpstream({ reply: { delayMs: 7_200_000 }, clock });
  await using mesh = await createMesh({
    controlPlane: { services: { orders: { endpoints: [orders.address], timeoutMs: 3_600_000 } } },
    clock,
    random: seededRandom(1), // the same choices in every run
    drainTimeoutMs: 0,
  });
  const outcome = mesh.fetch('http://orders/').catch((error: Error) => error.cause);
  await orders.received(); // the request is there …
  await clock.advance(3_600_000); // … and an hour passes
  return (await outcome) as MeshError;
}
//#endregion
