import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileHeaderGuard } from '../../../../src/data-plane/inbound/header-guard.ts';
import type { HeaderTrust } from '../../../../src/data-plane/inbound/spoofable-headers.ts';
import { inboundRequest } from '../../../support/access-request.ts';
import { nodeRequest, type NodeRequestParts } from '../../../support/node-request.ts';

const { connection } = inboundRequest().access;

function refusalOf(rawHeaders: readonly string[], parts?: NodeRequestParts): string | undefined {
  const refusal = compileHeaderGuard({})(nodeRequest(['Host', 'orders', ...rawHeaders], parts), connection, false);
  return refusal && `${refusal.status} ${refusal.details}`;
}

/** Names that are left, of a request with these headers. */
function left(names: readonly string[], chain: HeaderTrust = {}, isTrusted = false): readonly string[] {
  const request = nodeRequest(names.flatMap((name) => [name, 'x']));
  assert.equal(compileHeaderGuard(chain)(request, connection, isTrusted), undefined);
  return request.rawHeaders.filter((_each, index) => index % 2 === 0);
}

describe('headers that could be forged (T-SPOOF)', () => {
  const forged = [
    'x-forwarded-client-cert',
    'X-Forwarded-For',
    'x-forwarded-host',
    'x-forwarded-proto',
    'x-forwarded-prefix',
    'forwarded',
    'x-envoy-original-path',
    'x-envoy-expected-rq-timeout-ms',
    'X-Envoy-Attempt-Count',
    'x-envoy-retry-on',
    'x-envoy-external-address',
    'x-envoy-peer-metadata',
    'x-mesh-principal',
    'x-request-criticality',
    'l5d-client-id',
    'baggage',
    'x-forwarded',
    'X-Real-IP',
    'true-client-ip',
    'cf-connecting-ip',
    'x-client-ip',
    'x-cluster-client-ip',
    'x-original-url',
    'X-Rewrite-URL',
    'x-original-host',
    'ssl-client-verify',
    'SSL-Client-Subject-DN',
    'x-ssl-client-cert',
    'x-client-cert',
    'client-cert',
    'client-cert-chain',
    'x_real_ip',
    // Servers that make variables of headers read both as one.
    'x_forwarded_client_cert',
    'X-Forwarded_For',
  ];
  for (const name of forged)
    it(`${name} is taken off a stranger's request`, () => assert.deepEqual(left(['host', name, 'accept']), ['host', 'accept']));

  it('stay on the requests of trusted peers', () => assert.deepEqual(left(forged, {}, true), forged));

  it('all others stay', () => {
    const others = [
      'accept',
      'x-request-id',
      'traceparent',
      'x-canary',
      'x-envo',
      'x-user',
      'from',
      'cookie',
      'content-type',
      'te',
      'sec-fetch-site',
      'l5d',
      'x_user',
      'b3',
    ];
    assert.deepEqual(left(others), others);
  });

  it('of proxies stay where a source counts proxies in front, and nothing else does', () => {
    assert.deepEqual(
      left(['x-forwarded-for', 'forwarded', 'baggage', 'x-envoy-original-path', 'x-forwarded-client-cert'], { trustedHops: 1 }),
      ['x-forwarded-for', 'forwarded', 'baggage'],
    );
  });

  it('of Istio on the workload of the peer stay where telemetry asks for them, and takes them off', () => {
    const telemetry = { peerMetadata: { discover: ['headers'], propagate: true } } as const;
    assert.deepEqual(left(['x-envoy-peer-metadata-id', 'x-envoy-retry-on'], { telemetry }), ['x-envoy-peer-metadata-id']);
  });

  it("of verified tokens are nobody else's to send, in no spelling, wherever the token is asked for", () => {
    const jwks = { kind: 'inline', document: '{"keys":[]}' } as const;
    const jwt = [
      {
        name: 'login',
        audiences: [],
        jwks,
        payloadHeader: 'X-Payload',
        claimHeaders: [{ header: 'x-role', claim: 'role' }],
      },
      {
        name: 'other',
        audiences: [],
        jwks,
        fromHeaders: [{ name: 'x-token' }],
        claimHeaders: [{ header: 'x-token', claim: 'sub' }],
      },
    ];
    for (const isTrusted of [false, true])
      assert.deepEqual(left(['host', 'x-role', 'X_Role', 'x_payload', 'x-token', 'x-roles'], { jwt }, isTrusted), [
        'host',
        'x-token',
        'x-roles',
      ]);
  });

  it('are gone from every view of the headers, whichever was read before', () => {
    const lines = ['Host', 'orders', 'X-Forwarded-For', '1', 'Accept', '*/*', 'X-Forwarded-For', '2'];
    for (const read of [false, true]) {
      const request = nodeRequest(lines);
      if (read) assert.equal(request.headers['x-forwarded-for'] ?? request.headersDistinct, '1, 2');
      compileHeaderGuard({})(request, connection, false);
      assert.deepEqual(request.rawHeaders, ['Host', 'orders', 'Accept', '*/*']);
      assert.deepEqual(request.headers, { host: 'orders', accept: '*/*' });
      assert.deepEqual({ ...request.headersDistinct }, { host: ['orders'], accept: ['*/*'] });
    }
  });

  it('may be all that a request has', () => {
    const request = nodeRequest(['X-Forwarded-For', '1'], { httpVersion: '1.0' });
    compileHeaderGuard({})(request, connection, false);
    assert.deepEqual([request.rawHeaders, request.headers, { ...request.headersDistinct }], [[], {}, {}]);
  });

  it('are taken off after the body has come, too: lines stay headers and do not become trailers', () => {
    const request = nodeRequest(['Host', 'orders', 'Baggage', 'a=b']);
    request.complete = true;
    compileHeaderGuard({})(request, connection, false);
    assert.deepEqual(request.headers, { host: 'orders' });
    assert.deepEqual([request.rawTrailers, request.complete], [[], true]);
  });

  it('leave a request with none of them as it is', () => {
    const request = nodeRequest(['Host', 'orders', 'Accept', '*/*']);
    const { rawHeaders, headers } = request;
    compileHeaderGuard({})(request, connection, false);
    assert.equal(request.rawHeaders, rawHeaders);
    assert.equal(request.headers, headers);
  });
});

describe('methods', () => {
  for (const method of ['delete', 'Delete', 'BREW', ''])
    it(`${method === '' ? 'none' : method} is refused, as the parser of HTTP/1.1 does`, () =>
      assert.equal(refusalOf([], { method }), '400 invalid_method'));

  for (const method of ['DELETE', 'PATCH', 'QUERY', 'M-SEARCH'])
    it(`${method} is one`, () => assert.equal(refusalOf([], { method }), undefined));
});

describe('messages whose end could be seen in two places (T-WIRE)', () => {
  const rows = [
    { name: 'length-and-coding', headers: ['Content-Length', '5', 'Transfer-Encoding', 'chunked'], isRefused: true },
    { name: 'two-lengths', headers: ['Content-Length', '5', 'content-length', '6'], isRefused: true },
    { name: 'two-equal-lengths', headers: ['Content-Length', '5', 'content-length', '5'], isRefused: true },
    { name: 'list-of-lengths', headers: ['Content-Length', '5, 5'], isRefused: true },
    { name: 'signed-length', headers: ['Content-Length', '+5'], isRefused: true },
    { name: 'length', headers: ['Content-Length', '5'], isRefused: false },
    { name: 'chunked', headers: ['Transfer-Encoding', 'Chunked'], isRefused: false },
    { name: 'unknown-coding', headers: ['Transfer-Encoding', 'xchunked'], isRefused: true },
    { name: 'two-codings', headers: ['Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'identity'], isRefused: true },
    { name: 'list-of-codings', headers: ['Transfer-Encoding', 'gzip, chunked'], isRefused: true },
    { name: 'coding-of-http-1-0', headers: ['Transfer-Encoding', 'chunked'], httpVersion: '1.0', isRefused: true },
    { name: 'coding-of-http-2', headers: ['transfer-encoding', 'chunked'], httpVersion: '2.0', isRefused: true },
  ];
  for (const { name, headers, httpVersion = '1.1', isRefused } of rows)
    it(name, () =>
      assert.equal(refusalOf(headers, { method: 'POST', httpVersion }), isRefused ? '400 http1.invalid_framing' : undefined),
    );

  it('close their connection: nobody knows where the next one begins', () => {
    const request = nodeRequest(['Host', 'orders', 'Transfer-Encoding', 'xchunked'], { method: 'POST' });
    assert.equal(compileHeaderGuard({})(request, connection, true)?.headers['connection'], 'close');
  });

  it('ask for the server as a whole by OPTIONS alone', () => {
    assert.equal(refusalOf([], { url: '*' }), '400 invalid_path');
    assert.equal(refusalOf([], { url: '*', method: 'OPTIONS' }), undefined);
  });
});
