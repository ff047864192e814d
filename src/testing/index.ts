/** For tests of programs that use meshfetch: virtual time and seeded chance, what a policy does with a request, which endpoint gets it. */
export { expectRoute } from './expect/expect-route.ts';
export { fakeControlPlane } from './control-plane/fake-control-plane.ts';
export { fakeUpstream } from './upstream/fake-upstream.ts';
export { createVirtualClock } from './virtual-clock.ts';
export { seededRandom } from '../base/runtime.ts';
export { authorize } from './authorize.ts';
export { compileEnvoy } from './compile-envoy.ts';
export { compileMeshFile } from './compile-mesh-file.ts';
export { envoyControlPlane } from './envoy-control-plane.ts';
export { normalizePath } from '../data-plane/inbound/normalize-path.ts';
export { parseSpiffeId } from '../security/spiffe-id.ts';
export { pick } from './pick.ts';
export { route } from './route.ts';
export { routerCheck } from './router-check.ts';
export { testAuthority } from './test-authority.ts';
export { verifyJwt } from './verify-jwt.ts';
export type { Clock, Random, Timer } from '../base/runtime.ts';
export type { AccessReport } from '../data-plane/inbound/authorizer.ts';
export type { AuthorizationPolicyConfig } from '../model/authorization.ts';
export type { Problem } from '../model/contracts.ts';
export type { AuthorizedPeer, AuthorizedRequest } from './access-input.ts';
export type { AuthorizedPolicy, AuthorizeResult } from './authorize.ts';
export type { SpiffeId } from '../security/spiffe-id.ts';
export type { CompiledEnvoy, CompileEnvoyOptions, EnvoyTable } from './compile-envoy.ts';
export type { CompiledMeshFile } from './compile-mesh-file.ts';
export type { PickKey, PickOptions, PickResult } from './pick.ts';
export type { RouteOptions } from './route.ts';
export type { HeadersInput, RouteRequest } from './route-request.ts';
export type { RouteMirror, RouteResult } from './route-result.ts';
export type { RouterCheckInput, RouterCheckResult, RouterCheckTests } from './router-check.ts';
export type { RuntimeLayer } from './virtual-hosts-of.ts';
export type { VerifyJwtOptions, VerifyJwtResult } from './verify-jwt.ts';
export type { Delivered, FakeControlPlane, FakeControlPlaneOptions } from './control-plane/fake-control-plane.ts';
export type { FakeConfig } from './control-plane/fake-config.ts';
export type { FakeIdentity } from './control-plane/fake-identity.ts';
export type { FakeUpstream, FakeUpstreamOptions } from './upstream/fake-upstream.ts';
export type { UpstreamProtocol, UpstreamTls } from './upstream/upstream-port.ts';
export type {
  GrpcReply,
  UpstreamAnswer,
  UpstreamBody,
  UpstreamFault,
  UpstreamMatch,
  UpstreamReply,
} from './upstream/upstream-reply.ts';
export type { UpstreamRequest, UpstreamRequestBody, UpstreamRequestHead } from './upstream/upstream-request.ts';
export type { RouteAssertions, RouteExpectation } from './expect/expect-route.ts';
export type { AnswerExpectation, EndpointName, ExpectedRequest, ReachExpectation } from './expect/route-differences.ts';
export type { CertificateDetails, TestAuthority } from './test-authority.ts';
