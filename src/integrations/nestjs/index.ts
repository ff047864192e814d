/** `meshfetch/nestjs`. */
export { MeshModule, type MeshModuleAsyncOptions, type MeshModuleOptions } from './mesh-module.ts';
export { InjectMesh, InjectMeshClient, meshToken, meshClientToken } from './tokens.ts';
export { MeshClient } from './mesh-client.ts';
export { MeshGuard, MeshPolicy, type MeshPolicyOptions } from './mesh-guard.ts';
export { MeshExceptionFilter } from './mesh-exception-filter.ts';
export { MeshHealthIndicator } from './mesh-health-indicator.ts';
export { MeshCaller } from './mesh-caller.ts';
