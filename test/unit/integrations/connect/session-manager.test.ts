import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createClient, type Client, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import type { Mesh } from 'meshfetch';
import { meshSessionManager } from 'meshfetch/connect';
import { startTalk, talk, type Talk } from '../../../support/connect-service.ts';
import { meshOf } from '../../../support/mesh-of.ts';

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
});
