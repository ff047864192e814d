/** Answers without an endpoint. What is expected was answered by a real Envoy 1.40. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { loadPatternEngine } from '../../../../src/base/pattern.ts';
import { answerOf, compileAnswer, redirectToTls } from '../../../../src/data-plane/routing/answer.ts';
import type { EditableRequest, ResponseEdit } from '../../../../src/data-plane/routing/edit-request.ts';
import { grpcMessage } from '../../../../src/data-plane/routing/grpc-request.ts';
import { compileMutation } from '../../../../src/data-plane/routing/header-mutation.ts';
import type { PathMatcher } from '../../../../src/model/match.ts';
import type { RedirectAction } from '../../../../src/model/route.ts';

before(loadPatternEngine);

const request = (more: Partial<EditableRequest> = {}): EditableRequest => ({
  method: 'GET',
  path: '/a/b?q=1',
  scheme: 'http',
  authority: 'shop',
  ...more,
});

describe('a redirect', () => {
  const rows: readonly {
    readonly name: string;
    readonly to: Partial<RedirectAction>;
    readonly match?: PathMatcher;
    readonly from?: Partial<EditableRequest>;
    readonly location: string;
  }[] = [
    { name: 'scheme', to: { scheme: 'https' }, location: 'https://shop/a/b?q=1' },
    {
      name: 'scheme-drops-the-old-default-port',
      to: { scheme: 'https' },
      from: { authority: 'shop:80' },
      location: 'https://shop/a/b?q=1',
    },
    {
      name: 'scheme-keeps-its-own-port',
      to: { scheme: 'https' },
      from: { authority: 'shop:443' },
      location: 'https://shop:443/a/b?q=1',
    },
    {
      name: 'scheme-keeps-other-ports',
      to: { scheme: 'https' },
      from: { authority: 'shop:8080' },
      location: 'https://shop:8080/a/b?q=1',
    },
    { name: 'path-keeps-the-default-port', to: { path: '/p' }, from: { authority: 'shop:80' }, location: 'http://shop:80/p?q=1' },
    { name: 'port', to: { port: 81 }, from: { authority: 'shop:8080' }, location: 'http://shop:81/a/b?q=1' },
    { name: 'port-of-an-ipv6-host', to: { port: 81 }, from: { authority: '[::1]:80' }, location: 'http://[::1]:81/a/b?q=1' },
    { name: 'ipv6-host-without-a-port', to: { port: 81 }, from: { authority: '[::1]' }, location: 'http://[::1]:81/a/b?q=1' },
    { name: 'host', to: { host: 'h.x' }, from: { authority: 'shop:8080' }, location: 'http://h.x/a/b?q=1' },
    { name: 'host-port-scheme', to: { host: 'h.x', port: 443, scheme: 'https' }, location: 'https://h.x:443/a/b?q=1' },
    { name: 'path', to: { path: '/p' }, location: 'http://shop/p?q=1' },
    { name: 'path-without-query', to: { path: '/p', stripQuery: true }, location: 'http://shop/p' },
    { name: 'path-with-a-query-of-its-own', to: { path: '/p?z=1', stripQuery: true }, location: 'http://shop/p?z=1' },
    { name: 'without-query', to: { stripQuery: true }, location: 'http://shop/a/b' },
    { name: 'prefix', to: { prefix: '/n/' }, match: { kind: 'prefix', value: '/a' }, location: 'http://shop/n//b?q=1' },
    {
      name: 'prefix-without-query',
      to: { prefix: '/n', stripQuery: true },
      match: { kind: 'prefix', value: '/a' },
      location: 'http://shop/n/b',
    },
    { name: 'empty-prefix', to: { prefix: '' }, match: { kind: 'prefix', value: '/a' }, location: 'http://shop/a/b?q=1' },
    { name: 'path-without-slash', to: { path: 'moved' }, location: 'http://shop/moved?q=1' },
    { name: 'regex', to: { regex: { regex: '^/a/(.*)$', substitution: '/z/\\1' } }, location: 'http://shop/z/b?q=1' },
    { name: 'nothing', to: {}, location: 'http://shop/a/b?q=1' },
    { name: 'empty-texts', to: { path: '', host: '', scheme: '' }, location: 'http://shop/a/b?q=1' },
    { name: 'host-of-the-caller', to: {}, from: { headers: { Host: 'own:1' } }, location: 'http://own:1/a/b?q=1' },
    { name: 'https-in-front', to: {}, from: { headers: { 'x-forwarded-proto': 'https' } }, location: 'https://shop/a/b?q=1' },
  ];
  for (const { name, to, match, from, location } of rows) {
    it(`leads to the right place: ${name}`, () => {
      const answer = answerOf(compileAnswer({ kind: 'redirect', status: 308, ...to }, match, undefined), request(from));
      assert.deepEqual(answer, { status: 308, headers: { location }, body: '' });
    });
  }

  it('to TLS keeps host, port and path', () => {
    assert.deepEqual(redirectToTls(request({ authority: 'shop:80' })), {
      status: 301,
      headers: { location: 'https://shop:80/a/b?q=1' },
      body: '',
    });
  });

  it('is an unknown status for gRPC', () => {
    const answer = answerOf(
      compileAnswer({ kind: 'redirect', status: 301, scheme: 'https' }, undefined, undefined),
      request({ headers: { 'content-type': 'application/grpc' } }),
    );
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.headers, {
      location: 'https://shop/a/b?q=1',
      'content-type': 'application/grpc',
      'grpc-status': '2',
    });
  });
});

describe('a response of the route', () => {
  const edit: ResponseEdit = {
    headers: [compileMutation({ add: [['x-r', 'route']], set: [['content-type', 'json']] })!],
  };
  const tea = compileAnswer({ kind: 'respond', status: 418, body: 'tëa' }, undefined, edit);
  const text = { 'content-length': '4', 'content-type': 'json', 'x-r': 'route' };

  it('has its body, and the headers of the places around it', () => {
    assert.deepEqual(answerOf(tea, request()), { status: 418, headers: text, body: 'tëa' });
  });

  it('has no body for HEAD', () => {
    assert.deepEqual(answerOf(tea, request({ method: 'HEAD' })), { status: 418, headers: text, body: '' });
  });

  it('is plain text where nobody says otherwise', () => {
    const { headers } = answerOf(compileAnswer({ kind: 'respond', status: 200, body: 'a' }, undefined, undefined), request());
    assert.deepEqual(headers, { 'content-length': '1', 'content-type': 'text/plain' });
  });

  it('has no type where it has no body, even when a mutation names one', () => {
    const { headers } = answerOf(compileAnswer({ kind: 'respond', status: 503 }, undefined, edit), request());
    assert.deepEqual(headers, { 'x-r': 'route' });
  });

  it('is plain text again where a mutation takes its type away', () => {
    const untyped: ResponseEdit = { headers: [compileMutation({ remove: ['content-type'] })!] };
    const { headers } = answerOf(compileAnswer({ kind: 'respond', status: 200, body: 'a' }, undefined, untyped), request());
    assert.equal(headers['content-type'], 'text/plain');
  });

  it('is the status of the call for gRPC', () => {
    const answer = answerOf(tea, request({ headers: { 'content-type': 'application/grpc+proto' } }));
    assert.deepEqual(answer, {
      status: 200,
      headers: { 'x-r': 'route', 'content-type': 'application/grpc', 'grpc-status': '2', 'grpc-message': 't%C3%ABa' },
      body: '',
    });
    const web = answerOf(tea, request({ headers: { 'content-type': 'application/grpc-web' } }));
    assert.equal(web.status, 418);
  });

  for (const status of [201, 302]) {
    it(`says where: ${status}`, () => {
      const { headers } = answerOf(compileAnswer({ kind: 'respond', status }, undefined, undefined), request());
      assert.deepEqual(headers, { location: 'http://shop/a/b?q=1' });
    });
  }
});

it('a message for gRPC is printable ASCII', () => {
  assert.equal(grpcMessage('50 % of\n"ä"~'), '50 %25 of%0A"%C3%A4"~');
});
