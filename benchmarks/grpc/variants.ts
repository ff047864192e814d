/**
 * The gRPC clients that are compared. Each spreads its calls over the same four endpoints and opens its channel once. Clients are
 * loaded only by the process that measures them.
 */
import type { Client, ServiceConfig } from '@grpc/grpc-js';
import type { ControlPlaneInput } from '../../src/options.ts';
import { serviceName } from '../xds/service-name.ts';

/** Where calls go. */
export interface Target {
  /** `address:port` of each endpoint. */
  readonly endpoints: readonly string[];
  /** Of the xDS server that knows them as the service {@link serviceName}(0). */
  readonly controlPlane: string;
}

/** A client of the service; loads what it needs. */
export type CreateClient = (target: Target) => Promise<Client>;

/** What calls are compared. */
export const grpcVariants: ReadonlyMap<string, CreateClient> = new Map<string, CreateClient>([
  ['grpc-js', grpcJs],
  ['grpc-js again', grpcJs],
  [
    'grpc-js + mesh',
    (target) =>
      throughMesh({ services: { [serviceName(0)]: { endpoints: target.endpoints, loadBalancing: { policy: 'round-robin' } } } }),
  ],
  [
    'grpc-js + mesh, xDS',
    async ({ controlPlane }) => {
      const { xdsControlPlane } = await import('../../src/control-plane/xds/index.ts');
      return throughMesh(xdsControlPlane({ servers: controlPlane }));
    },
  ],
  ['grpc-js-xds', grpcJsXds],
]);

const roundRobin: ServiceConfig = { loadBalancingConfig: [{ round_robin: {} }], methodConfig: [] };

async function grpcJs({ endpoints }: Target): Promise<Client> {
  const { Client, credentials } = await import('@grpc/grpc-js');
  return new Client(`ipv4:${endpoints.join(',')}`, credentials.createInsecure(), {
    'grpc.service_config': JSON.stringify(roundRobin),
  });
}

async function throughMesh(controlPlane: ControlPlaneInput): Promise<Client> {
  const [{ Client }, { createMesh }, { meshChannelCredentials }] = await Promise.all([
    import('@grpc/grpc-js'),
    import('../../src/mesh.ts'),
    import('../../src/integrations/grpc/index.ts'),
  ]);
  const mesh = await createMesh({ controlPlane, unknownHosts: 'refuse' });
  return new Client(`mesh:///${serviceName(0)}`, meshChannelCredentials(mesh));
}

async function grpcJsXds({ controlPlane }: Target): Promise<Client> {
  const server = { server_uri: controlPlane, channel_creds: [{ type: 'insecure' }], server_features: ['xds_v3'] };
  const node = { id: 'client-1', locality: { region: 'eu', zone: 'eu-1', sub_zone: '' } };
  process.env['GRPC_XDS_BOOTSTRAP_CONFIG'] = JSON.stringify({ xds_servers: [server], node });
  const { Client, credentials } = await import('@grpc/grpc-js');
  (await import('@grpc/grpc-js-xds')).register();
  return new Client(`xds:///${serviceName(0)}:80`, credentials.createInsecure());
}
