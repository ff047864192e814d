import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMesh } from '../../../src/index.ts';
import { spiffeControlPlane } from '../../../src/control-plane/spiffe/index.ts';
import { subscribe } from '../../../src/telemetry/channels.ts';
import { startWorkloadApi } from '../xds/workload-api.ts';
import { ordersAt, until } from './mesh-on.ts';
import { startMutualTls } from './mutual-tls-server.ts';

const web = 'spiffe://own.test/web';
const ours = 'spiffe://own.test/orders';
const theirs = 'spiffe://other.test/orders';

describe('federated trust domains of a Workload API', () => {
  it('are trusted for their own names alone, and only as long as they are federated', async () => {
    await using api = await startWorkloadApi();
    await api.setEntry({ svids: [{ spiffeId: web }], federated: ['other.test'] });
    const ourRoots = (await api.issue('own.test', { spiffeId: ours })).trustBundle;
    const issued = await api.issue('other.test', { spiffeId: theirs });
    await using server = await startMutualTls(issued, [ourRoots]);
    await using mesh = await createMesh({
      controlPlane: [ordersAt(server.address, [ours, theirs]), spiffeControlPlane({ endpoint: api.unix })],
    });
    await mesh.ready();
    const failure = async (): Promise<string> => {
      try {
        return `answered with ${(await mesh.fetch('http://orders/')).status}`;
      } catch (error) {
        return ((error as Error).cause as Error).message;
      }
    };
    assert.equal(await failure(), 'answered with 200');

    // The CA of the other domain signs a name of ours.
    server.use(await api.issue('other.test', { spiffeId: ours }), [ourRoots]);
    await api.rotate();
    const generation = generationOf(() => mesh.status());
    await until(() => generation() > 0);
    assert.match(await eventually(failure, /^(?!answered)/), /does not end in a root of "own\.test"/);

    server.use(issued, [ourRoots]);
    assert.equal(await eventually(failure, /^answered/), 'answered with 200');
    let closed = 0;
    const stop = subscribe('connection:closed', () => closed++);
    await api.setEntry({ svids: [{ spiffeId: web }] });
    await until(() => trusted(mesh.status()) === undefined);
    // The idle connection is given up at once; the next one is refused.
    assert.match(await failure(), /issued by a CA that is not in the trust bundle|outside the trust domain own\.test/);
    assert.ok(closed > 0);
    stop();
  });
});

type Status = Awaited<ReturnType<typeof createMesh>> extends { status(): infer S } ? S : never;

function trusted(status: Status): unknown {
  return status.identities.find(({ name }) => name === 'spiffe')?.trustBundle?.federated;
}

/** How often the certificate was replaced since. */
function generationOf(status: () => Status): () => number {
  const now = (): number => status().identities.find(({ name }) => name === 'spiffe')?.svid?.generation ?? 0;
  const before = now();
  return () => now() - before;
}

/** The first answer that fits: ejection and connections under way may give another one before. */
async function eventually(ask: () => Promise<string>, wanted: RegExp): Promise<string> {
  for (;;) {
    const answer = await ask();
    if (wanted.test(answer)) return answer;
  }
}
