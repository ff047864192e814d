import { parse } from 'yaml';
import { translateResources, type TranslatedResources } from '../../src/control-plane/xds/translate/resources.ts';
import type { ControlPlane } from '../../src/model/contracts.ts';
import type { OutboundListenerConfig } from '../../src/model/listener.ts';
import type { Resource } from '../../src/model/snapshot.ts';

/** A control plane that serves these resources of Envoy, and what of them has no effect. */
export interface EnvoyPlane extends ControlPlane {
  readonly translated: TranslatedResources;
}

/**
 * A control plane for `createMesh` that serves resources of Envoy: a bootstrap with `static_resources`, or single resources, as
 * objects or as YAML or JSON text. Route tables that no listener names get one for every port. Throws when a resource cannot be used.
 */
export function envoyPlane(resources: string | object | readonly object[]): EnvoyPlane {
  const parsed: unknown = typeof resources === 'string' ? parse(resources) : resources;
  const translated = translateResources(Array.isArray(parsed) ? parsed : [parsed]);
  if (translated.problems.length > 0)
    throw new TypeError(translated.problems.map(({ path, reason }) => `${path} ${reason}`).join('\n'));
  const set = withListeners(translated.resources);
  return {
    name: 'envoy',
    translated,
    async run({ sink, signal }) {
      const { rejected } = await sink.apply({ version: '1', set, remove: [], unhonoured: translated.unhonoured });
      if (rejected.length > 0)
        throw new TypeError(rejected.map(({ key, path, reason }) => `${key.kind} ${key.name} ${path}: ${reason}`).join('\n'));
      sink.status({ state: 'connected' });
      if (!signal.aborted)
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    },
  };
}

/** A listener for each table that has none. */
function withListeners(resources: readonly Resource[]): readonly Resource[] {
  const named = new Set(resources.flatMap((resource) => (resource.kind === 'listener' ? [tableOf(resource.value)] : [])));
  const listeners = resources.flatMap((resource): Resource[] => {
    if (resource.kind !== 'route-table' || named.has(resource.name)) return [];
    const name = `out-${resource.name}`;
    return [{ kind: 'listener', name, value: { direction: 'outbound', name, routes: resource.name } }];
  });
  return [...resources, ...listeners];
}

function tableOf(listener: { readonly direction: string }): string | undefined {
  const { routes } = listener as OutboundListenerConfig;
  return typeof routes === 'string' ? routes : undefined;
}
