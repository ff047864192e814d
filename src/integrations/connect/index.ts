/**
 * `meshfetch/connect`: the mesh under the clients of Connect. `createGrpcTransport`, `createGrpcWebTransport` and
 * `createConnectTransport` of `@connectrpc/connect-node` take {@link meshSessionManager} as their `sessionManager`.
 */
export { meshSessionManager, type SessionManager } from './session-manager.ts';
