/** The ways in of a mesh.yaml for policy tests: read, checked and translated as the file control plane does it. */
import type { InboundListenerConfig } from '../model/listener.ts';
import type { Problem } from '../model/contracts.ts';
import { parseMeshFile } from '../control-plane/file/parse-mesh-file.ts';
import { translateMeshFile } from '../control-plane/file/translate.ts';

/** What a mesh.yaml says of requests that come in. */
export interface CompiledMeshFile {
  /** One for each item of `inbound`; of the filter chains of each the first is that for mutual TLS, unless its mode is `disabled`. */
  readonly listeners: readonly InboundListenerConfig[];
  /** Keys that have no effect, by path. */
  readonly problems: readonly Problem[];
}

/**
 * Compiles the YAML or JSON text of a mesh.yaml. Rejects with `MESH_CONFIG_INVALID`, which lists every mistake.
 *
 * ```js
 * const { listeners } = await compileMeshFile(readFileSync('mesh.yaml', 'utf8'));
 * const result = authorize(listeners[0].filterChains[0], { path: '/orders/42' }, { spiffeId: 'spiffe://example.org/web' });
 * ```
 */
export async function compileMeshFile(text: string, path = 'mesh.yaml'): Promise<CompiledMeshFile> {
  const { resources, unhonoured } = translateMeshFile(await parseMeshFile(text, path));
  const listeners = resources.flatMap(({ kind, value }) =>
    kind === 'listener' && (value as { readonly direction?: string }).direction === 'inbound'
      ? [value as InboundListenerConfig]
      : [],
  );
  return { listeners, problems: unhonoured };
}
