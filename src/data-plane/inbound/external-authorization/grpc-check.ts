/** A check over gRPC: one unary call of `envoy.service.auth.v3.Authorization`, over the HTTP/2 of the authorizer's own cluster. */
import type { Dispatcher } from 'undici';
import { formatGrpcTimeout } from '../../../base/grpc-timeout.ts';
import type { Clock } from '../../../base/runtime.ts';
import type { ExternalAuthorizerConfig } from '../../../model/authorization.ts';
import type { InboundRequest } from '../../../model/inbound.ts';
import { framed, unframed } from '../../../wire/grpc-frames.ts';
import type { AccessRequest } from '../access-request.ts';
import { refusal } from '../refusal.ts';
import { checkAnswerFrom, checkRequestBytes, type CheckAnswer, type CheckedRequest } from './check-message.ts';
import type { AuthorizerAnswer, Check } from './external-authorizer.ts';
import { grouped } from './http-check.ts';
import type { BodyHead } from './read-ahead.ts';
import { compileNames, isTaken, joinedHeaders } from './sent-headers.ts';

const path = '/envoy.service.auth.v3.Authorization/Check';
const maxAnswerBytes = 1_048_576;

/** Makes the check. */
export function createGrpcCheck(config: ExternalAuthorizerConfig, dispatcher: Dispatcher, clock: Clock): Check {
  const isSent = compileNames(config.requestHeaders);
  const metadata = [...(config.checkHeaders?.set ?? []), ...(config.checkHeaders?.add ?? [])].flatMap(([name, value]) => [
    name.toLowerCase(),
    value,
  ]);
  const headers = [
    'content-type',
    'application/grpc',
    'te',
    'trailers',
    'grpc-timeout',
    formatGrpcTimeout(config.timeoutMs),
    ...metadata,
  ];
  let checks = 0;

  const messageOf = (request: AccessRequest, node: InboundRequest, body: BodyHead | undefined): Uint8Array => {
    const sent = new Map<string, string>();
    const parts: readonly (readonly [string, string])[] = [
      [':authority', request.authority],
      [':method', request.method],
      [':path', request.path],
      [':scheme', request.scheme],
    ];
    for (const [name, value] of [...parts, ...joinedHeaders(node)]) if (isSent?.(name) ?? true) sent.set(name, value);
    if (body !== undefined) sent.set('x-envoy-auth-partial-body', String(!body.isWhole));
    return checkRequestBytes(checkedRequest(request, sent, body, String(++checks), clock.wallNow()));
  };

  return async (request, node, body, signal) => {
    const response = await dispatcher.request({
      origin: 'http://authorizer',
      path,
      method: 'POST',
      headers,
      body: framed(messageOf(request, node, body)),
      signal,
    });
    const bytes = await bytesOf(response.body);
    const status = response.headers['grpc-status'] ?? response.trailers['grpc-status'];
    if (response.statusCode !== 200) return nothingSaid(`it answered ${response.statusCode}`);
    if (status !== '0') return nothingSaid(`it answered with the gRPC status ${String(status ?? 'missing').slice(0, 20)}`);
    const message = unframed(bytes);
    const answer = message && checkAnswerFrom(message);
    return answer === undefined ? nothingSaid('its answer cannot be read') : answerFrom(answer);
  };
}

function nothingSaid(reason: string): AuthorizerAnswer {
  return { kind: 'unanswered', reason };
}

function checkedRequest(
  request: AccessRequest,
  headers: ReadonlyMap<string, string>,
  body: BodyHead | undefined,
  id: string,
  wallMs: number,
): CheckedRequest {
  const { connection } = request;
  return {
    source: {
      address: request.remoteAddress,
      port: connection.peerPort ?? 0,
      principal: connection.peer.spiffeId ?? connection.identity?.uris[0] ?? connection.identity?.dnsNames[0],
    },
    destination: { address: connection.localAddress, port: connection.localPort, principal: undefined },
    id,
    wallMs,
    method: request.method,
    path: request.path,
    host: request.authority,
    scheme: request.scheme,
    protocol: connection.protocol === 'h2' ? 'HTTP/2' : 'HTTP/1.1',
    headers,
    body: body?.bytes,
    serverName: connection.serverName,
  };
}

function answerFrom(answer: CheckAnswer): AuthorizerAnswer {
  const taken = (pairs: readonly (readonly [string, string])[] | undefined) => (pairs ?? []).filter(isTaken);
  if (!answer.isAllowed) {
    const status = answer.status >= 200 && answer.status <= 599 ? answer.status : 403;
    const headers = grouped(taken(answer.refusalHeaders));
    return { kind: 'refused', refusal: refusal(status, answer.body, { details: 'ext_authz_denied', flag: 'UAEX', headers }) };
  }
  const { edit } = answer;
  return {
    kind: 'allowed',
    edit: {
      remove: (edit.remove ?? []).filter((name) => isTaken([name, ''])),
      set: taken(edit.set),
      setIfAbsent: taken(edit.setIfAbsent),
      setIfPresent: taken(edit.setIfPresent),
      add: taken(edit.add),
    },
    responseHeaders: taken(answer.responseHeaders),
    queryToSet: answer.queryToSet,
    queryToRemove: answer.queryToRemove,
  };
}

async function bytesOf(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > maxAnswerBytes) throw new Error(`its answer is longer than ${maxAnswerBytes} bytes`);
  }
  return Buffer.concat(chunks);
}
