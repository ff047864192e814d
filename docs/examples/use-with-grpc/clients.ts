import * as grpc from '@grpc/grpc-js';
import type { Mesh } from 'meshfetch';
import { meshChannelCredentials, meshErrorOf } from 'meshfetch/grpc';

type OrdersClient = grpc.Client & {
  get(
    request: object,
    metadata: grpc.Metadata,
    options: grpc.CallOptions,
    done: (error: grpc.ServiceError | null, order?: object) => void,
  ): void;
};
type Orders = new (target: string, credentials: grpc.ChannelCredentials) => OrdersClient;

//#region client
/** A client as grpc-js makes it; the target names the service, and the credentials the mesh. */
export function ordersOf(mesh: Mesh, Orders: Orders): OrdersClient {
  return new Orders('mesh:///orders', meshChannelCredentials(mesh));
}
//#endregion

//#region failure
/** A call that failed in the mesh has the mesh's own error: what was tried, where, and what to do. */
export function explain(error: grpc.ServiceError): string {
  const inMesh = meshErrorOf(error);
  if (inMesh !== undefined) return `${inMesh.code} after ${inMesh.attempts.length} attempts: ${inMesh.remedy}`;
  return `${grpc.status[error.code]}: ${error.details}`; // what the server said, or the call's own deadline
}
//#endregion

//#region token
/** A token for every call of the channel. It travels over TLS alone. */
export function withToken(mesh: Mesh, token: () => string): grpc.ChannelCredentials {
  const call = grpc.credentials.createFromMetadataGenerator((_options, done) => {
    const metadata = new grpc.Metadata();
    metadata.set('authorization', `Bearer ${token()}`);
    done(null, metadata);
  });
  return meshChannelCredentials(mesh).compose(call);
}
//#endregion

//#region wait
/** Waits until somebody can take the call, five seconds at most, where it would fail at once otherwise. */
export function patiently(client: OrdersClient, done: (error: grpc.ServiceError | null, order?: object) => void): void {
  client.get({ id: '42' }, new grpc.Metadata({ waitForReady: true }), { deadline: Date.now() + 5000 }, done);
}
//#endregion
