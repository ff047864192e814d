import type { ControlPlane } from '../model/contracts.ts';
import type { OutboundListenerConfig } from '../model/listener.ts';
import type { Resource } from '../model/snapshot.ts';
import type { CompiledEnvoy } from './compile-envoy.ts';

/**
 * A control plane for `createMesh` that serves compiled resources of Envoy, so that a test sends real requests under them. Route
 * tables that no listener names serve every port. What of them has no effect shows in `mesh.status()`; `createMesh` rejects with a
 * TypeError when the mesh refuses a resource.
 *
 * ```js
 * await using mesh = await createMesh({ controlPlane: envoyControlPlane(compileEnvoy(bootstrap)) });
 * ```
 */
export function envoyControlPlane({ resources, problems }: Pick<CompiledEnvoy, 'resources' | 'problems'>): ControlPlane {
  const set = withListeners(resources);
  return {
    name: 'envoy',
    async run({ sink, signal }) {
      const { rejected } = await sink.apply({ version: '1', set, remove: [], unhonoured: problems });
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
