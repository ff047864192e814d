import { Inject } from '@nestjs/common';

/** Injection token of the mesh. */
export const meshToken = Symbol.for('meshfetch.nestjs.mesh');

/** Injection token of the client of a service, from `MeshModule.forFeature`. */
export function meshClientToken(service: string): string {
  return `meshfetch.client.${service}`;
}

/** Injects the {@link Mesh} into a constructor parameter or a property. */
export function InjectMesh(): ParameterDecorator & PropertyDecorator {
  return Inject(meshToken);
}

/** Injects the {@link MeshClient} of a service that `MeshModule.forFeature` names. */
export function InjectMeshClient(service: string): ParameterDecorator & PropertyDecorator {
  return Inject(meshClientToken(service));
}
