import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileCors } from '../../../../src/data-plane/inbound/cors.ts';
import { inboundRequest } from '../../../support/access-request.ts';

const shop = 'https://shop.example.org';
const cors = compileCors({
  allowOrigins: [{ kind: 'exact', value: shop }],
  allowMethods: ['GET', 'PUT'],
  allowHeaders: ['x-a'],
  exposeHeaders: ['x-b'],
  maxAgeMs: 600_000,
  allowCredentials: true,
});

function ask(method: string, headers: readonly (readonly [string, string])[]) {
  return inboundRequest({ method, headers }).access;
}

describe('requests of other origins', () => {
  it('are told what they may do, in the answer to their preflight', () => {
    const answer = cors.preflight(
      ask('OPTIONS', [
        ['Origin', shop],
        ['Access-Control-Request-Method', 'PUT'],
      ]),
    );
    assert.deepEqual(Object.fromEntries(answer ?? []), {
      'access-control-allow-origin': shop,
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': 'GET,PUT',
      'access-control-allow-headers': 'x-a',
      'access-control-max-age': '600',
      vary: 'origin',
    });
  });

  const others: readonly { name: string; method: string; headers: readonly (readonly [string, string])[] }[] = [
    {
      name: 'of-an-origin-that-is-not-allowed',
      method: 'OPTIONS',
      headers: [
        ['origin', 'https://evil.example'],
        ['access-control-request-method', 'PUT'],
      ],
    },
    {
      name: 'of-an-origin-that-only-begins-alike',
      method: 'OPTIONS',
      headers: [
        ['origin', `${shop}.evil.example`],
        ['access-control-request-method', 'PUT'],
      ],
    },
    { name: 'without-a-method-asked-for', method: 'OPTIONS', headers: [['origin', shop]] },
    {
      name: 'of-another-method',
      method: 'GET',
      headers: [
        ['origin', shop],
        ['access-control-request-method', 'PUT'],
      ],
    },
    {
      name: 'with-two-origins',
      method: 'OPTIONS',
      headers: [
        ['origin', shop],
        ['origin', shop],
        ['access-control-request-method', 'PUT'],
      ],
    },
  ];
  for (const { name, method, headers } of others)
    it(`are no preflight that is answered: ${name}`, () => assert.equal(cors.preflight(ask(method, headers)), undefined));

  it('get a response that their page may read', () => {
    assert.deepEqual(cors.responseHeaders(ask('GET', [['origin', shop]])), [
      ['access-control-allow-origin', shop],
      ['access-control-allow-credentials', 'true'],
      ['vary', 'origin'],
      ['access-control-expose-headers', 'x-b'],
    ]);
    assert.deepEqual(cors.responseHeaders(ask('GET', [['origin', 'null']])), []);
    assert.deepEqual(cors.responseHeaders(ask('GET', [])), []);
  });
});
