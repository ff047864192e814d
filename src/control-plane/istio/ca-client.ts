/**
 * Asks istiod's CA for a certificate: `istio.v1.auth.IstioCertificateService/CreateCertificate`. istiod takes nothing but the public
 * key from the request; who we are it reads from the token, or from the certificate that we have. Each call is a connection of its
 * own with everything read again, since after an error the root of istiod may be another one, and half a day passes between calls.
 */
import { grpcCodes, GrpcError, openGrpc, rootsProblem, type GrpcTls } from '../../wire/grpc-client.ts';
import { ProtobufReader, ProtobufWriter } from '../../wire/protobuf.ts';
import type { Svid } from '../../model/identity.ts';
import { textOf } from './pod-files.ts';
import { readTokenClaims } from './token-claims.ts';

/** Where the CA is, and who asks. */
export interface CaOptions {
  /** `host:port`. */
  readonly address: string;
  readonly serverName: string;
  /** PEM; undefined = the roots of this Node process. */
  readonly rootCertificateFile: string | undefined;
  readonly tokenFile: string;
  readonly clusterId: string;
  readonly signer: string | undefined;
}

/** What the CA answered, PEM. */
export interface IssuedChain {
  /** Leaf first, without the root. */
  readonly certificateChain: string;
  readonly root: string;
}

/** Why there is no certificate, with what to do about it. */
export class CaError extends Error {
  override readonly name = 'CaError';
  /** Of gRPC; undefined where nothing was asked, or the answer was no good. */
  readonly code: number | undefined;
  constructor(message: string, code?: number) {
    super(message);
    this.code = code;
  }
}

const method = '/istio.v1.auth.IstioCertificateService/CreateCertificate';
/** A CA that signs with a key of an HSM takes a second; one behind cert-manager several. */
const timeoutMs = 20_000;

/**
 * Has a certificate signed. `current` is the one in force: with it the connection is mutual TLS. The token goes with every call.
 * Rejects with a {@link CaError}.
 */
export async function createCertificate(
  options: CaOptions,
  request: {
    readonly csr: string;
    readonly validitySeconds: number;
    readonly current: Svid | undefined;
    readonly signal: AbortSignal;
  },
): Promise<IssuedChain> {
  const { address, rootCertificateFile, tokenFile, clusterId } = options;
  const token = (await textOf(tokenFile))?.trim();
  if ((token === undefined || token === '') && request.current === undefined)
    throw new CaError(
      `there is no token in ${tokenFile}; mount a projected service account token with the audience istio-ca there, or name another with \`tokenFile\``,
    );
  const roots = rootCertificateFile === undefined ? undefined : await textOf(rootCertificateFile);
  if (rootCertificateFile !== undefined && roots === undefined)
    throw new CaError(
      `the root certificate ${rootCertificateFile} cannot be read; mount the ConfigMap istio-ca-root-cert there, or name another with \`rootCertificateFile\``,
    );
  const problem = roots === undefined ? undefined : rootsProblem(roots);
  if (problem !== undefined)
    throw new CaError(`the root certificate ${rootCertificateFile} ${problem}; mount the ConfigMap istio-ca-root-cert there`);
  const tls: GrpcTls = {
    serverName: options.serverName,
    ...(roots !== undefined && { roots }),
    ...(rootCertificateFile !== undefined && { rootsFile: rootCertificateFile }),
    ...(request.current !== undefined && {
      certificateChain: request.current.certificateChain,
      privateKey: request.current.privateKey.reveal(),
    }),
  };
  const connection = openGrpc({ address, tls });
  try {
    const answer = await connection.unary(method, encodeRequest(request.csr, request.validitySeconds, options.signer), {
      timeoutMs,
      signal: request.signal,
      metadata: { ...(token && { authorization: `Bearer ${token}` }), clusterid: clusterId },
    });
    return readAnswer(answer);
  } catch (error) {
    if (!(error instanceof GrpcError)) throw error;
    throw new CaError(`the CA ${address} says ${error.message}${remedyOf(error, options, token)}`, error.code);
  } finally {
    connection.close();
  }
}

function encodeRequest(csr: string, validitySeconds: number, signer: string | undefined): Uint8Array {
  const request = new ProtobufWriter().text(1, csr).varint(3, validitySeconds);
  if (signer !== undefined) {
    // google.protobuf.Struct { fields: { CertSigner: { string_value } } }
    const entry = new ProtobufWriter().text(1, 'CertSigner').message(2, new ProtobufWriter().text(3, signer));
    request.message(4, new ProtobufWriter().message(1, entry));
  }
  return request.finish();
}

function readAnswer(bytes: Uint8Array): IssuedChain {
  const reader = new ProtobufReader(bytes);
  const chain: string[] = [];
  while (reader.next()) {
    const value = reader.field === 1 ? reader.bytes() : undefined;
    if (value !== undefined) chain.push(Buffer.from(value).toString('latin1'));
  }
  if (reader.isBroken) throw new CaError('the answer of the CA is no message of IstioCertificateResponse');
  const root = chain.pop();
  // Source: Istio's own client, which takes one certificate alone for an error too: it could be anybody's.
  if (root === undefined || chain.length === 0)
    throw new CaError('the CA answered without a certificate chain that ends in its root');
  return { certificateChain: chain.map(withNewline).join(''), root: withNewline(root) };
}

function withNewline(pem: string): string {
  return pem.endsWith('\n') ? pem : `${pem}\n`;
}

function remedyOf({ code }: GrpcError, { tokenFile, rootCertificateFile }: CaOptions, token: string | undefined): string {
  if (code === grpcCodes.unauthenticated && token && readTokenClaims(token) === undefined)
    return `; what is in the token file ${tokenFile} is no JWT: mount a projected service account token with the audience istio-ca there`;
  if (code === grpcCodes.unauthenticated)
    return `; it does not take the token in ${tokenFile}: check that its audience is istio-ca and that it has not expired`;
  if (code === grpcCodes.permissionDenied) return '; the service account may not have this identity';
  if (code === grpcCodes.unavailable)
    return `; check that istiod runs there${rootCertificateFile === undefined ? '' : ` and that ${rootCertificateFile} is its root`}`;
  return '';
}
