/**
 * A check by plain HTTP: the authorizer gets the request's method, path and some of its headers; 200 = it goes on, 5xx = no answer,
 * anything else = the refusal, which the caller gets as it is. Source: Envoy `ExtAuthz.http_service`.
 */
import type { Dispatcher } from 'undici';
import { connectionHeaders } from '../../../base/connection-headers.ts';
import type { ExternalAuthorizerConfig } from '../../../model/authorization.ts';
import type { InboundRequest } from '../../../model/inbound.ts';
import type { AccessRequest } from '../access-request.ts';
import { refusal } from '../refusal.ts';
import type { HeaderEdit } from '../request-headers.ts';
import type { AuthorizerAnswer, Check } from './external-authorizer.ts';
import { compileNames, isTaken, joinedHeaders } from './sent-headers.ts';
import type { BodyHead } from './read-ahead.ts';

/** More of a refusal is not handed on. */
const maxAnswerBytes = 65_536;

/** Headers of the answer that belong to the connection it came over. */
const ofConnection = new Set([
  ...connectionHeaders,
  'content-length',
  'date',
  'te',
  'trailer',
  // It asks this server to go on, before the body.
  'expect',
]);
/** A caller gets these of a refusal whatever list there is. */
const ofRefusal = new Set(['location', 'www-authenticate', 'content-type']);
const removeHeader = 'x-envoy-auth-headers-to-remove';

type Pairs = readonly (readonly [name: string, value: string])[];

/** Makes the check. */
export function createHttpCheck(config: ExternalAuthorizerConfig, dispatcher: Dispatcher): Check {
  const { pathPrefix = '', checkHeaders } = config;
  const isSent = compileNames(config.requestHeaders);
  const isTakenOver = compileNames(config.takenHeaders);
  const isAppended = compileNames(config.appendedHeaders);
  const isShown = compileNames(config.refusalHeaders);
  const isAdded = compileNames(config.responseHeaders);

  const headersOf = (request: AccessRequest, node: InboundRequest, body: BodyHead | undefined): Record<string, string> => {
    const headers: Record<string, string> = {};
    const sent = joinedHeaders(node);
    const named = (sent.get('connection') ?? '').toLowerCase().split(',');
    for (const name of named) sent.delete(name.trim());
    for (const [name, value] of sent)
      if (!ofConnection.has(name) && (name === 'authorization' || isSent?.(name) === true)) headers[name] = value;
    for (const [name, value] of [...(checkHeaders?.set ?? []), ...(checkHeaders?.add ?? [])]) headers[name.toLowerCase()] = value;
    headers['host'] = request.authority;
    if (body !== undefined) headers['x-envoy-auth-partial-body'] = String(!body.isWhole);
    return headers;
  };

  return async (request, node, body, signal) => {
    const response = await dispatcher.request({
      origin: `http://${request.authority === '' ? 'authorizer' : hostOf(request.authority)}`,
      path: `${pathPrefix}${request.path}`,
      method: request.method,
      headers: headersOf(request, node, body),
      body: body === undefined ? null : Buffer.from(body.bytes),
      signal,
    });
    const pairs = pairsOf(response.headers);
    if (response.statusCode === 200) {
      await response.body.dump();
      return allowed(pairs);
    }
    if (response.statusCode >= 500) {
      await response.body.dump();
      return { kind: 'unanswered', reason: `it answered ${response.statusCode}` };
    }
    const text = await textOf(response.body, maxAnswerBytes);
    const shown = pairs.filter(
      (pair) =>
        !ofConnection.has(pair[0]) && (isShown === undefined || ofRefusal.has(pair[0]) || isShown(pair[0])) && isTaken(pair),
    );
    return {
      kind: 'refused',
      refusal: refusal(response.statusCode, text, { details: 'ext_authz_denied', flag: 'UAEX', headers: grouped(shown) }),
    };
  };

  function allowed(pairs: Pairs): AuthorizerAnswer {
    const pick = (test: ((name: string) => boolean) | undefined): Pairs =>
      test === undefined ? [] : pairs.filter((pair) => !ofConnection.has(pair[0]) && test(pair[0]) && isTaken(pair));
    const remove = pairs
      .filter(([name]) => name === removeHeader)
      .flatMap(([, value]) => value.split(','))
      .map((name) => name.trim().toLowerCase())
      .filter((name) => name !== '' && isTaken([name, '']));
    const edit: HeaderEdit = { remove, set: pick(isTakenOver), add: pick(isAppended) };
    return { kind: 'allowed', edit, responseHeaders: pick(isAdded) };
  }
}

/** An authority that undici takes as one: the request may name whatever it likes. */
function hostOf(authority: string): string {
  return URL.canParse(`http://${authority}`) ? authority : 'authorizer';
}

function pairsOf(headers: Record<string, string | string[] | undefined>): Pairs {
  return Object.entries(headers).flatMap(([name, value]): Pairs => {
    if (value === undefined) return [];
    return typeof value === 'string' ? [[name, value]] : value.map((each) => [name, each] as const);
  });
}

/** Several values of a header stay several: cookies cannot be joined. */
export function grouped(pairs: Pairs): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of pairs) {
    const known = headers[name];
    if (known === undefined) headers[name] = value;
    else headers[name] = [...(typeof known === 'string' ? [known] : known), value];
  }
  return headers;
}

/** The body up to a length; what is beyond is dropped. */
async function textOf(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    chunks.push(chunk.subarray(0, maxBytes - length));
    length += chunk.length;
    if (length >= maxBytes) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}
