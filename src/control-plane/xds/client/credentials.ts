/**
 * How a connection to an xDS server is secured and who it says we are. Files and callbacks are asked again for each connection, so that
 * rotated certificates, roots and tokens are used from the next one on.
 */
import { readFile } from 'node:fs/promises';
import { MeshError } from '../../../base/errors.ts';
import { rootsProblem, type GrpcMetadata, type GrpcTarget, type GrpcTls } from '../../../wire/grpc-client.ts';

/** Text that is PEM itself, or the path of a file that has it. */
export type PemSource = string | { readonly file: string };

/** A certificate chain with its key, both PEM. */
export interface ClientCertificate {
  readonly certificateChain: string;
  readonly privateKey: string;
}

/** Credentials of the channel, and of each stream over it. */
export type XdsCredentials = PlaintextCredentials | TlsCredentials;

/** No TLS: nothing that is secret may be sent. */
export interface PlaintextCredentials {
  readonly kind: 'plaintext';
}

/** TLS, mutual where an identity is given. */
export interface TlsCredentials {
  readonly kind: 'tls';
  /** Certificates of authorities. Default: those that Node trusts. */
  readonly roots?: PemSource;
  /** Name that the certificate of the server must have, where it is not the host of its address. */
  readonly serverName?: string;
  /** Says why the server is not the right one, in place of its name. */
  readonly checkPeer?: GrpcTls['checkPeer'];
  /** Our certificate: a callback (undefined = none yet, connect without), or files. */
  readonly identity?:
    | (() => ClientCertificate | undefined | Promise<ClientCertificate | undefined>)
    | { readonly certificateFile: string; readonly privateKeyFile: string };
  /** Sent with each stream. */
  readonly callCredentials?: JwtCallCredentials;
  /** Further metadata of each stream, such as Istio's `ClusterID`. */
  readonly metadata?: GrpcMetadata;
}

/** A token out of a file. Source: gRFC A97. */
export interface JwtCallCredentials {
  readonly kind: 'jwt';
  readonly file: string;
}

/** An xDS server. */
export interface XdsServer {
  /** `host:port`, `[address]:port` or `unix:/path`. */
  readonly address: string;
  readonly credentials: XdsCredentials;
  /** `server_features` of the bootstrap. */
  readonly features?: ReadonlySet<string>;
}

/** What a connection to the server is opened with now. Rejects with a MeshError that names the file which cannot be read. */
export async function connectionTo(server: XdsServer): Promise<{ readonly target: GrpcTarget; readonly metadata: GrpcMetadata }> {
  const { address, credentials } = server;
  if (credentials.kind === 'plaintext') return { target: { address }, metadata: {} };
  const { serverName, checkPeer, callCredentials } = credentials;
  const [roots, identity, token] = await Promise.all([
    credentials.roots === undefined ? undefined : rootsFrom(credentials.roots),
    identityOf(credentials.identity),
    callCredentials === undefined ? undefined : tokenFrom(callCredentials.file),
  ]);
  const tls: GrpcTls = {
    ...roots,
    ...(serverName !== undefined && { serverName }),
    ...(checkPeer !== undefined && { checkPeer }),
    ...identity,
  };
  return {
    target: { address, tls },
    metadata: { ...credentials.metadata, ...(token !== undefined && { authorization: `Bearer ${token}` }) },
  };
}

async function identityOf(identity: TlsCredentials['identity']): Promise<ClientCertificate | undefined> {
  if (identity === undefined) return undefined;
  if (typeof identity === 'function') return identity();
  const [certificateChain, privateKey] = await Promise.all([
    fileText(identity.certificateFile, 'certificate'),
    fileText(identity.privateKeyFile, 'private key'),
  ]);
  return { certificateChain, privateKey };
}

async function tokenFrom(file: string): Promise<string> {
  const token = (await fileText(file, 'token')).trim();
  if (token === '') throw new MeshError('MESH_CONTROL_PLANE', `the token file ${file} is empty`);
  return token;
}

async function rootsFrom(source: PemSource): Promise<Pick<GrpcTls, 'roots' | 'rootsFile'>> {
  if (typeof source === 'string') return { roots: source };
  const roots = await fileText(source.file, 'root certificates');
  const problem = rootsProblem(roots);
  if (problem !== undefined)
    throw new MeshError(
      'MESH_CONTROL_PLANE',
      `the root certificates file ${source.file} ${problem}; it must have BEGIN CERTIFICATE blocks`,
    );
  return { roots, rootsFile: source.file };
}

async function fileText(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new MeshError(
      'MESH_CONTROL_PLANE',
      `the ${what} file ${file} cannot be read (${code}); mount it, or correct the path`,
      {
        cause,
      },
    );
  }
}
