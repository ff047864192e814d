import type { Mesh } from '../../src/mesh-interface.ts';
import type { IdentityFiles } from '../load/origins.ts';

const accounts = ['billing', 'cart', 'catalog', 'checkout', 'mail', 'search', 'shipping', 'stock'];
/** More than any machine serves: the limit is looked at and never reached. */
const rate = { requests: 1_000_000, perMs: 1000 };

/** A mesh whose way in has ten rules, of which the last one lets the benchmark in, and two rate limits. With `tls` only mutual TLS comes in. */
export async function guardedMesh(tls: IdentityFiles | undefined): Promise<Mesh> {
  const { createMesh } = await import('../../src/mesh.ts');
  return createMesh({
    controlPlane: {
      services: {},
      ...(tls && { identity: { ...tls } }),
      inbound: {
        mode: tls === undefined ? 'permissive' : 'strict',
        authorization: [
          { name: 'no-admin', action: 'deny', to: { paths: ['/admin/*'] } },
          ...accounts.map((account) => ({
            name: account,
            from: { identities: [`spiffe://example.org/${account}`] },
            to: { methods: ['GET', 'POST'], paths: [`/api/${account}/*`] },
          })),
          {
            name: 'web-reads',
            ...(tls && { from: { identities: ['spiffe://example.org/web'] } }),
            // Calls of gRPC are POSTs.
            to: { methods: ['GET', 'POST'], paths: ['/api/*'] },
          },
        ],
        rateLimit: { ...rate, perIdentity: rate },
      },
    },
  });
}
