/**
 * Looks over the head of a request before anybody reads it: refuses a method that is none, and a message whose end could be seen in two
 * places (RFC 9112, section 6), takes off what only a trusted peer may say, and what only this process may, and makes
 * `x-forwarded-client-cert` anew where a policy asks for it. Trailers get what headers get.
 *
 * What is taken off is taken from `rawHeaders` and from every view of them. A request with nothing of the kind is looked over and left
 * as it is.
 */
import { METHODS } from 'node:http';
import type { InboundRefusal, InboundRequest } from '../../model/inbound.ts';
import { compileClientCertificateHeader, type OwnNames } from './client-certificate-header.ts';
import type { InboundConnection } from './inbound-connection.ts';
import { refusal } from './refusal.ts';
import { forgetViews } from './request-headers.ts';
import { compileHeaderRule, headerKind, ownHeaders, plainName, type HeaderTrust } from './spoofable-headers.ts';
import { guardTrailers } from './trailer-guard.ts';

/**
 * Checks and edits the headers of a request in place. `isTrusted` = the peer is among the `trustedPeers` of the chain. What it says
 * of its deadline is read before: the header is taken off.
 */
export type HeaderGuard = (
  request: InboundRequest,
  connection: InboundConnection,
  isTrusted: boolean,
) => InboundRefusal | undefined;

const clientCertificate = 'x-forwarded-client-cert';
/** The rest of the connection would be read at the wrong place. */
const close = { connection: 'close' };
const badFraming = refusal(400, '', { details: 'http1.invalid_framing', headers: close });
/**
 * Those of the parser of HTTP/1.1, which takes no others. HTTP/2 has any token, and routers that fold `delete` into `DELETE` would find a
 * handler by a method that no rule has seen.
 */
const methods: ReadonlySet<string> = new Set(METHODS);
const badMethod = refusal(400, '', { details: 'invalid_method' });
const badTarget = refusal(400, '', { details: 'invalid_path' });

/** Compiles what is done to the headers of requests. `ownNames` gives the URI names of the certificate that this process shows. */
export function compileHeaderGuard(chain: HeaderTrust, ownNames?: OwnNames): HeaderGuard {
  const { forwardClientCertificate } = chain;
  const certificateHeader = forwardClientCertificate && compileClientCertificateHeader(forwardClientCertificate, ownNames);
  const stays = compileHeaderRule(chain);
  const own = ownHeaders(chain);
  const isOwn = (name: string): boolean => own.size > 0 && own.has(plainName(name));
  const trailerTest = (isTrusted: boolean) => (name: string) => stays(headerKind(name), isTrusted) && !isOwn(name);
  const strangerTrailer = trailerTest(false);
  const trustedTrailer = trailerTest(true);
  return (request, connection, isTrusted) => {
    if (!methods.has(request.method ?? '')) return badMethod;
    if (isBadTarget(request)) return badTarget;
    const { rawHeaders } = request;
    const { length } = rawHeaders;
    let kept = 0;
    let forwarded: string | undefined;
    let codings = 0;
    let lengths = 0;
    for (let index = 0; index < length; index += 2) {
      const name = rawHeaders[index]!;
      const kind = headerKind(name);
      if (isOwn(name)) continue;
      if (kind === 'plain') {
        if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') {
          if (++codings > 1 || rawHeaders[index + 1]!.toLowerCase() !== 'chunked') return badFraming;
        } else if (
          name.length === 14 &&
          name.toLowerCase() === 'content-length' &&
          (++lengths > 1 || !isLength(rawHeaders[index + 1]!))
        )
          return badFraming;
      } else if (!stays(kind, isTrusted)) {
        if (kind === 'client-certificate' && name.toLowerCase() === clientCertificate)
          forwarded = forwarded === undefined ? rawHeaders[index + 1]! : `${forwarded},${rawHeaders[index + 1]!}`;
        continue;
      }
      if (kept !== index) {
        rawHeaders[kept] = name;
        rawHeaders[kept + 1] = rawHeaders[index + 1]!;
      }
      kept += 2;
    }
    if (codings > 0 && (lengths > 0 || !knowsCodings(request))) return badFraming;
    if (mayHaveTrailers(request, codings)) guardTrailers(request, isTrusted ? trustedTrailer : strangerTrailer);
    const certificate = certificateHeader?.(forwarded, connection);
    if (kept === length && certificate === undefined) return undefined;
    rawHeaders.length = kept;
    if (certificate !== undefined) rawHeaders.push(clientCertificate, certificate);
    forgetViews(request);
    return undefined;
  };
}

/** `*` is of OPTIONS alone (RFC 9112, section 3.2.4). */
function isBadTarget({ url, method }: InboundRequest): boolean {
  return url === '*' && method !== 'OPTIONS';
}

/** HTTP/1.1 has them after chunks, HTTP/2 wherever a body follows. */
function mayHaveTrailers(request: InboundRequest, codings: number): boolean {
  if (request.httpVersionMajor < 2) return codings > 0;
  return (request as { readonly stream?: { readonly endAfterHeaders?: boolean } }).stream?.endAfterHeaders !== true;
}

function isLength(value: string): boolean {
  return /^\d{1,15}$/.test(value);
}

/** A coding in an HTTP/1.0 request is faulty framing (RFC 9112, section 6.1). */
function knowsCodings(request: InboundRequest): boolean {
  return request.httpVersionMajor === 1 && (request as { readonly httpVersionMinor?: number }).httpVersionMinor !== 0;
}
