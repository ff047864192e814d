import * as peer from '@grpc/grpc-js';
import type { ChannelCredentials } from '@grpc/grpc-js';
import type { Mesh } from '../../mesh-interface.ts';
import { checkMesh } from '../check-mesh.ts';
import { isSameCopy, loadedCopies, versionOf } from './grpc-copies.ts';
import { markedCredentials, type Grpc } from './grpc-js.ts';
import { prepareGrpc } from './install.ts';

/** Options of {@link meshChannelCredentials}. */
export interface MeshCredentialsOptions {
  /** The copy of @grpc/grpc-js that the program makes its clients with; default: the one that this package finds. */
  readonly grpc?: Grpc;
}

/**
 * Credentials for channels on a mesh: `new Greeter('mesh:///greeter', meshChannelCredentials(mesh))`. The mesh finds the endpoints and
 * secures the connections by its own identities and policy. Call credentials may be composed with them, and travel over TLS alone.
 * Throws a RangeError for a version of grpc-js that was not tested, and a TypeError where it is not clear which copy is meant, or
 * for what is no mesh.
 */
export function meshChannelCredentials(mesh: Mesh, options: MeshCredentialsOptions = {}): ChannelCredentials {
  checkMesh('meshChannelCredentials', mesh);
  const grpc = options.grpc ?? onlyCopy();
  prepareGrpc(grpc);
  return markedCredentials(grpc, mesh);
}

/** Credentials of one copy are strangers to another, which says so in words that help nobody. */
function onlyCopy(): Grpc {
  const others = loadedCopies().filter(({ copy }) => !isSameCopy(copy, peer));
  if (others.length === 0) return peer;
  const list = others.map(({ file, copy }) => `${versionOf(copy) ?? 'an unknown version'} at ${file}`).join(', ');
  throw new TypeError(
    `more than one copy of @grpc/grpc-js is loaded: meshfetch finds ${versionOf(peer) ?? 'one'}, and there is ${list}; pass the one that your clients are made with: meshChannelCredentials(mesh, { grpc })`,
  );
}
