/** gRPC on the mesh, for clients and servers of @grpc/grpc-js. See docs/how-to/use-with-grpc.md. */
export { meshChannelCredentials, type MeshCredentialsOptions } from './credentials.ts';
export { installGrpc, type InstallOptions } from './install.ts';
export { meshErrorOf } from './call-status.ts';
export { grpcHandler, type GrpcHandlerOptions } from './server/handler.ts';
export { meshRequest } from './server/call-context.ts';
export { grpcHealth, type GrpcHealth, type ServingStatus } from './server/health.ts';
export { orcaService, type OrcaService, type OrcaServiceOptions } from './server/orca-service.ts';
