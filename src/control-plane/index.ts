/** Every control plane, by the scheme of its URL. Adding one is its folder and one line here; nothing is loaded until it is named. */
import { MeshError } from '../base/errors.ts';
import type { ControlPlane } from '../model/contracts.ts';
import type { FileSettings, MeshFileInput } from './file/index.ts';
import { withInstallHint } from './missing-peer.ts';

interface Scheme {
  /** For the reference page. */
  readonly example: string;
  readonly load: () => Promise<(url: string) => ControlPlane>;
}

/** Scheme → loader. */
export const schemes: Readonly<Record<string, Scheme>> = {
  consul: {
    example: 'consul://127.0.0.1:8500',
    load: async () => {
      const { consulControlPlane, consulOptionsFromUrl } = await import('./consul/index.ts');
      return (url) => consulControlPlane(consulOptionsFromUrl(url));
    },
  },
  xds: {
    example: 'xds://127.0.0.1:18000',
    load: async () => {
      const { xdsControlPlane, xdsOptionsFromUrl } = await import('./xds/index.ts');
      return (url) => xdsControlPlane(xdsOptionsFromUrl(url));
    },
  },
  spiffe: {
    example: 'spiffe:',
    load: async () => {
      const { spiffeControlPlane, spiffeOptionsFromUrl } = await import('./spiffe/index.ts');
      return (url) => spiffeControlPlane(spiffeOptionsFromUrl(url));
    },
  },
  istio: {
    example: 'istio:',
    load: async () => {
      const { istioControlPlane, istioOptionsFromUrl } = await import('./istio/index.ts');
      return (url) => istioControlPlane(istioOptionsFromUrl(url));
    },
  },
};

/** A control plane, and whether its configuration is there at once: a file or an object. */
export interface LoadedControlPlane {
  readonly plane: ControlPlane;
  readonly isLocal: boolean;
}

/**
 * Makes the control plane that a path, a URL, an object or a {@link ControlPlane} stands for. Throws for what is none of them. Beside
 * the `earlier` ones a second file is named `file#2`, and its identity `default#2`.
 */
export async function loadControlPlane(
  input: string | MeshFileInput | ControlPlane,
  onSettings: (settings: FileSettings) => void,
  earlier: readonly LoadedControlPlane[] = [],
): Promise<LoadedControlPlane> {
  if (typeof input === 'object' && 'run' in input && typeof input.run === 'function') return { plane: input, isLocal: false };
  if (typeof input === 'object') {
    const { fileControlPlane } = await import('./file/index.ts');
    return {
      plane: fileControlPlane({ config: input as MeshFileInput, onSettings, ...namesBeside('object', earlier) }),
      isLocal: true,
    };
  }
  const scheme = /^([a-z][a-z0-9+.-]+):/.exec(input)?.[1];
  if (scheme !== undefined && scheme !== 'file') {
    if (!Object.hasOwn(schemes, scheme)) {
      const known = Object.values(schemes).map(({ example }) => example);
      throw new MeshError(
        'MESH_CONFIG_INVALID',
        `no control plane has the scheme "${scheme}:" (in "${redacted(input)}"); give a path of a YAML file, or ${known.join(', ')}`,
      );
    }
    const create = await schemes[scheme]!.load().catch((error: unknown) => {
      throw withInstallHint(error, scheme);
    });
    return { plane: create(input), isLocal: false };
  }
  const { fileControlPlane } = await import('./file/index.ts');
  const path = scheme === 'file' ? (await import('node:url')).fileURLToPath(input) : input;
  return { plane: fileControlPlane({ path, onSettings, ...namesBeside('file', earlier) }), isLocal: true };
}

/** Names that no earlier one has. Identities are counted over files and objects together: they share one store. */
function namesBeside(kind: 'file' | 'object', earlier: readonly LoadedControlPlane[]): { name: string; identityName: string } {
  const taken = new Set(earlier.map(({ plane }) => plane.name));
  let name: string = kind;
  for (let number = 2; taken.has(name); number += 1) name = `${kind}#${number}`;
  const locals = earlier.filter(({ isLocal }) => isLocal).length;
  return { name, identityName: locals === 0 ? 'default' : `default#${locals + 1}` };
}

/** A URL without what may be a secret in it. */
function redacted(url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//').replace(/\?.*/, '?…');
}
