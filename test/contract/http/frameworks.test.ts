/** The same requests to the same application in every framework, over every way of HTTP: the same answers. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask, openPort, ways, type Answer, type Question } from '../../support/http-port.ts';
import { frameworks, largeBytes } from './frameworks.ts';

const rows: readonly { readonly name: string; readonly question: Question; readonly check: (answer: Answer) => void }[] = [
  {
    name: 'json-query-cookies-address',
    question: { path: '/json?q=a%20b', headers: { cookie: 'x=1; y=2' } },
    check: ({ status, headers, body }) => {
      assert.equal(status, 200);
      assert.match(headers['content-type']!, /^application\/json/);
      assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2']);
      assert.deepEqual(JSON.parse(String(body)), { query: 'a b', cookie: 'x=1; y=2', ip: '127.0.0.1' });
    },
  },
  {
    name: 'head',
    question: { method: 'HEAD', path: '/json' },
    check: ({ status, body }) => assert.deepEqual([status, body.length], [200, 0]),
  },
  {
    name: 'echo',
    question: { method: 'POST', path: '/echo', headers: { 'content-type': 'text/plain' }, body: 'tea' },
    check: ({ status, body }) => assert.deepEqual([status, String(body)], [201, 'tea']),
  },
  {
    name: 'upload',
    question: {
      method: 'POST',
      path: '/upload',
      headers: { 'content-type': 'application/octet-stream' },
      body: Buffer.alloc(900_000),
    },
    check: ({ status, body }) => assert.deepEqual([Math.floor(status / 100), String(body)], [2, '900000']),
  },
  {
    name: 'download',
    question: { path: '/download' },
    check: ({ status, body }) => assert.deepEqual([status, body.length, body.at(-1)], [200, largeBytes, 47]),
  },
  {
    name: 'no-content',
    question: { path: '/nothing' },
    check: ({ status, body }) => assert.deepEqual([status, body.length], [204, 0]),
  },
  {
    name: 'redirect',
    question: { path: '/moved' },
    check: ({ status, headers }) => assert.deepEqual([status, headers.location], [302, '/json']),
  },
  {
    name: 'server-sent-events',
    question: { path: '/events' },
    check: ({ headers, body }) => {
      assert.match(headers['content-type']!, /^text\/event-stream/);
      assert.equal(String(body), 'data: 0\n\ndata: 1\n\ndata: 2\n\n');
    },
  },
  { name: 'throws', question: { path: '/throws' }, check: ({ status }) => assert.equal(status, 500) },
  { name: 'not-found', question: { path: '/not/there' }, check: ({ status }) => assert.equal(status, 404) },
];

for (const [framework, { make, notNative }] of Object.entries(frameworks))
  describe(`an application in ${framework}`, async () => {
    const handler = await make();
    for (const way of ways)
      if (way !== 'native' || notNative !== undefined)
        describe(`over ${way}`, async () => {
          const port = await openPort(way, { onRequest: handler });
          for (const { name, question, check } of rows) {
            if (way === 'native' && notNative!.includes(name)) continue;
            it(name, async () => {
              check(await ask(port, question));
              while (port.servers.requests > 0) await new Promise((resolve) => setImmediate(resolve));
            });
          }
        });
  });
