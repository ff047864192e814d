import { createMesh } from 'meshfetch';
import { fakeControlPlane, fakeUpstream, testAuthority } from 'meshfetch/testing';

//#region tls
/** Who the service says that it is asked by, before and after our certificate is another one. */
export async function callers(): Promise<readonly string[]> {
  const authority = await testAuthority('example.org');
  await using orders = await fakeUpstream({
    tls: { ...(await authority.issue('orders')), clients: authority.certificate },
    reply: ({ clientUris }) => ({ body: clientUris.join() }),
  });
  const tls = { mode: 'mutual', peers: ['spiffe://example.org/orders'] } as const;
  const plane = fakeControlPlane(
    { services: { orders: { endpoints: [orders.address], tls } } },
    { identity: await authority.identity('web') },
  );
  await using mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 0 });
  await mesh.ready();
  const ask = async (): Promise<string> => await (await mesh.fetch('http://orders/')).text();
  const before = await ask();
  plane.rotate(await authority.identity('web-of-tomorrow'));
  return [before, await ask()];
}
//#endregion
