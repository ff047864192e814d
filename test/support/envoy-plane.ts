import { parse } from 'yaml';
import { translateResources, type TranslatedResources } from '../../src/control-plane/xds/translate/resources.ts';
import type { ControlPlane } from '../../src/model/contracts.ts';
import { envoyControlPlane } from '../../src/testing/envoy-control-plane.ts';

/** A control plane that serves these resources of Envoy, and what of them has no effect. */
export interface EnvoyPlane extends ControlPlane {
  readonly translated: TranslatedResources;
}

/**
 * A control plane for `createMesh` that serves resources of Envoy as they are translated: the mesh checks them, and not
 * `compileEnvoy`. Throws when a resource cannot be translated.
 */
export function envoyPlane(resources: string | object | readonly object[]): EnvoyPlane {
  const parsed: unknown = typeof resources === 'string' ? parse(resources) : resources;
  const translated = translateResources(Array.isArray(parsed) ? parsed : [parsed]);
  if (translated.problems.length > 0)
    throw new TypeError(translated.problems.map(({ path, reason }) => `${path} ${reason}`).join('\n'));
  return { ...envoyControlPlane({ resources: translated.resources, problems: translated.unhonoured }), translated };
}
