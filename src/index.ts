/** A service mesh inside the Node process. See README.md. */
export { meshFetch } from './mesh-fetch.ts';
export { createMesh } from './mesh.ts';
export type { Mesh } from './mesh-interface.ts';
export type { MeshOptions, ControlPlaneInput } from './options.ts';
export type { EndpointDispatcher, EndpointToReach } from './data-plane/transport/given-connections.ts';
export type { Explanation, DestinationView, EndpointView } from './admin/explain.ts';
export type { InboundServer, ListenOptions, RequestListener } from './data-plane/listen/listen-options.ts';
export type { InboundPortStatus } from './admin/inbound-status.ts';
export type { MeshStatus } from './admin/status.ts';
export { MeshError, isMeshError, errorTable, type MeshErrorCode, type AttemptReport } from './base/errors.ts';
export type { Clock, Random, Timer } from './base/runtime.ts';
export {
  requestContextFrom,
  withRequestContext,
  withoutRequestContext,
  type InboundHeaders,
  type InboundOptions,
} from './data-plane/inherit.ts';
export type { RequestContext, Criticality } from './base/request-context.ts';
export type * from './model/contracts.ts';
export type * from './model/snapshot.ts';
export type * from './model/cluster.ts';
export type * from './model/route.ts';
export type * from './model/listener.ts';
export type * from './model/inbound.ts';
export type * from './model/match.ts';
export type * from './model/detection.ts';
export type * from './model/policy.ts';
export type * from './model/affinity.ts';
export type * from './model/health.ts';
export type * from './model/tls.ts';
export type * from './model/authorization.ts';
export { PrivateKey, type Svid, type TrustBundle } from './model/identity.ts';
