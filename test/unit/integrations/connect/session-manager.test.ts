import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createClient, type Client, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import type { Mesh } from 'meshfetch';
import { meshSessionManager } from 'meshfetch/connect';
import { MockAgent } from 'undici';
import { startTalk, talk, type Talk } from '../../../support/connect-service.ts';
import { meshOf } from '../../../support/mesh-of.ts';
import { startServer } from '../../../support/servers.ts';

const baseUrl = 'http://talk';

const transports: Readonly<Record<string, (mesh: Mesh) => Transport>> = {
  'the gRPC protocol': (mesh) => createGrpcTransport({ baseUrl, sessionManager: meshSessionManager(mesh, baseUrl) }),
  'gRPC-Web': (mesh) => createGrpcWebTransport({ baseUrl, httpVersion: '2', sessionManager: meshSessionManager(mesh, baseUrl) }),
  'the Connect protocol': (mesh) =>
    createConnectTransport({ baseUrl, httpVersion: '2', sessionManager: meshSessionManager(mesh, baseUrl) }),
};

async function* values(...words: string[]): AsyncGenerator<{ value: string }> {
  for (const value of words) yield { value };
}

describe('meshSessionManager', () => {
  it('says whom it speaks to as the transport does, whatever path its base has', () => {
    const mesh = { dispatcher: new MockAgent() };
    assert.equal(meshSessionManager(mesh, 'http://talk:8080/api').authority, 'http://talk:8080');
    assert.equal(meshSessionManager(mesh, new URL('https://talk')).authority, 'https://talk');
  });

  it('refuses a base that is no URL of http or https', () => {
    const mesh = { dispatcher: new MockAgent() };
    for (const wrong of ['talk', 'talk:8080', 'mesh:///talk', 'unix:/run/talk.sock', ''])
      assert.throws(
        () => meshSessionManager(mesh, wrong),
        (error) => error instanceof TypeError && error.message.startsWith(`"${wrong}" is no URL of http: or https:; give`),
        wrong,
      );
  });
  for (const [protocol, transportOf] of Object.entries(transports)) {
    it(`carries every kind of call over ${protocol}`, async () => {
      const server = await startTalk({
        say: ({ value }) => ({ value: `said ${value}` }),
        async *down({ value }) {
          for (const letter of value) yield { value: letter };
        },
        async up(requests) {
          let all = '';
          for await (const { value } of requests) all += value;
          return { value: all };
        },
        async *both(requests) {
          for await (const { value } of requests) yield { value: value.toUpperCase() };
        },
      });
      await using mesh = await meshOf({ talk: { endpoints: [server.address] } });
      const client: Client<Talk> = createClient(talk, transportOf(mesh));
      assert.equal((await client.say({ value: 'hi' })).value, 'said hi');
      const letters: string[] = [];
      for await (const { value } of client.down({ value: 'abc' })) letters.push(value);
      assert.deepEqual(letters, ['a', 'b', 'c']);
      assert.equal((await client.up(values('x', 'y'))).value, 'xy');
      const answers: string[] = [];
      for await (const { value } of client.both(values('p', 'q'))) answers.push(value);
      assert.deepEqual(answers, ['P', 'Q']);
    });
  }

  it('keeps the path of the base', async () => {
    const paths: (string | undefined)[] = [];
    const server = await startServer((request, response) => {
      paths.push(request.url);
      response.setHeader('content-type', 'application/json').end('"hello"');
    });
    await using mesh = await meshOf({ talk: { endpoints: [server.address], protocol: 'http1' } });
    const base = 'http://talk/api/v1';
    const transport = createConnectTransport({
      baseUrl: base,
      httpVersion: '2',
      sessionManager: meshSessionManager(mesh, base),
      useBinaryFormat: false,
    });
    assert.equal((await createClient(talk, transport).say({ value: 'x' })).value, 'hello');
    assert.deepEqual(paths, ['/api/v1/meshfetch.test.Talk/Say']);
  });
});
