/** gRPC on the mesh, for clients of @grpc/grpc-js. See docs/how-to/use-with-grpc.md. */
export { meshChannelCredentials, type MeshCredentialsOptions } from './credentials.ts';
export { installGrpc, type InstallOptions } from './install.ts';
export { meshErrorOf } from './call-status.ts';
