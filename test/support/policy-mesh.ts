import type { TestContext } from 'node:test';
import { createMesh, isMeshError, type Mesh, type MeshError, type MeshOptions } from 'meshfetch';
import type { ClusterConfig } from '../../src/model/cluster.ts';
import type { RequestPolicy, RouteAction } from '../../src/model/route.ts';
import { request } from 'undici';
import { endpointAt, routesOf, staticCluster, TestControlPlane } from './cluster-plane.ts';

/** A mesh in which `http://orders` is these addresses under this policy, with fields that a file cannot say. */
export async function policyMesh(
  t: TestContext,
  addresses: readonly string[],
  policy: RequestPolicy,
  more: {
    readonly cluster?: Partial<ClusterConfig>;
    readonly action?: Partial<Extract<RouteAction, { kind: 'forward' }>>;
    readonly clusters?: Readonly<Record<string, readonly string[]>>;
    readonly options?: Omit<MeshOptions, 'controlPlane'>;
  } = {},
): Promise<{ readonly mesh: Mesh; readonly plane: TestControlPlane }> {
  const plane = new TestControlPlane();
  const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100, ...more.options });
  t.after(() => mesh.close());
  await plane.deliver([
    routesOf(
      'orders',
      [{ match: {}, action: { kind: 'forward', to: [{ cluster: 'orders', weight: 1 }], ...more.action } }],
      policy,
    ),
    ...Object.entries({ orders: addresses, ...more.clusters }).map(([name, of]) =>
      staticCluster(
        name,
        of.map((address) => endpointAt(address)),
        name === 'orders' ? more.cluster : {},
      ),
    ),
  ]);
  return { mesh, plane };
}

/** What came of a request. */
export interface Answered {
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** Sends a request to `http://orders` and reads its response to the end. */
export async function ask(
  mesh: Mesh,
  options: Omit<Parameters<typeof request>[1] & object, 'dispatcher'> & { path?: string } = {},
): Promise<Answered> {
  const { path = '/', ...rest } = options;
  const { statusCode, body, headers } = await request(`http://orders${path}`, { ...rest, dispatcher: mesh.dispatcher } as never);
  return { status: statusCode, body: await body.text(), headers };
}

/** The error that a request ends with. */
export async function errorOf(work: Promise<unknown>): Promise<MeshError> {
  const error = await work.then(
    () => new Error('it should fail'),
    (cause: unknown) => cause,
  );
  if (!isMeshError(error)) throw error;
  return error;
}
