/** For tests of programs that use meshfetch: virtual time and seeded chance, what a policy does with a request, which endpoint gets it. */
export { createVirtualClock } from './virtual-clock.ts';
export { seededRandom } from '../base/runtime.ts';
export { compileEnvoy } from './compile-envoy.ts';
export { envoyControlPlane } from './envoy-control-plane.ts';
export { pick } from './pick.ts';
export { route } from './route.ts';
export { routerCheck } from './router-check.ts';
export type { Clock, Random, Timer } from '../base/runtime.ts';
export type { Problem } from '../model/contracts.ts';
export type { CompiledEnvoy, CompileEnvoyOptions, EnvoyTable } from './compile-envoy.ts';
export type { PickKey, PickOptions, PickResult } from './pick.ts';
export type { RouteOptions } from './route.ts';
export type { HeadersInput, RouteRequest } from './route-request.ts';
export type { RouteMirror, RouteResult } from './route-result.ts';
export type { RouterCheckInput, RouterCheckResult, RouterCheckTests } from './router-check.ts';
export type { RuntimeLayer } from './virtual-hosts-of.ts';
