/** A server of Connect behind `mesh.listen`: identity over mutual TLS, rules by method, deadlines that are handed on. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Code, ConnectError, createClient, createContextKey, createContextValues, type Client } from '@connectrpc/connect';
import {
  connectNodeAdapter,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { createMesh, type Mesh } from 'meshfetch';
import { meshSessionManager } from 'meshfetch/connect';
import { testAuthority, workloadCertificate, writeIdentityFiles } from '../../../support/certificates.ts';
import { startTalk, talk, type Talk } from '../../../support/connect-service.ts';
import { temporaryFolder } from '../../../support/secured.ts';

const authority = await testAuthority();
const folder = await temporaryFolder();
const identityOf = async (name: string): Promise<Awaited<ReturnType<typeof writeIdentityFiles>>> =>
  writeIdentityFiles(folder, name, await workloadCertificate(authority, name), authority);
const server = await identityOf('talk');
const web = await identityOf('web');
const stranger = await identityOf('stranger');

const caller = createContextKey('nobody');

/** The service `talk` on a port of a mesh, which asks `behind` for what it does not know itself. */
async function listen(t: TestContext, behind?: string): Promise<number> {
  const mesh = await createMesh({
    controlPlane: {
      identity: server,
      services: behind === undefined ? {} : { behind: { endpoints: [behind] } },
      inbound: {
        mode: 'strict',
        authorization: [
          {
            name: 'web-says',
            from: { identities: ['spiffe://example.org/web'] },
            to: { paths: ['/meshfetch.test.Talk/Say', '/meshfetch.test.Talk/Both'] },
          },
        ],
      },
    },
    drainTimeoutMs: 0,
  });
  t.after(() => mesh.close());
  const handler = connectNodeAdapter({
    contextValues: (request) => {
      const { peer } = (request as unknown as { mesh: { peer: { spiffeId: string } } }).mesh;
      return createContextValues().set(caller, peer.spiffeId);
    },
    routes: (router) =>
      router.service(talk, {
        async say({ value }, { values }) {
          if (value !== 'ask behind') return { value: values.get(caller) };
          return clientOf(mesh, 'grpc', 'http://behind').say({});
        },
        down: async function* () {
          yield { value: 'never' };
        },
        async *both(requests) {
          for await (const { value } of requests) yield { value: value.toUpperCase() };
        },
      }),
  });
  const port = await mesh.listen(handler, { port: 0, host: '127.0.0.1', http2: 'native' });
  return port.port;
}

async function meshTo(t: TestContext, port: number, identity: typeof web, timeoutMs = 0): Promise<Mesh> {
  const mesh = await createMesh({
    controlPlane: {
      identity,
      services: {
        talk: {
          endpoints: [`127.0.0.1:${port}`],
          tls: { mode: 'mutual', peers: ['spiffe://example.org/talk'] },
          timeoutMs,
        },
      },
    },
    drainTimeoutMs: 0,
  });
  t.after(() => mesh.close());
  return mesh;
}

const transports = { grpc: createGrpcTransport, 'grpc-web': createGrpcWebTransport, connect: createConnectTransport } as const;

function clientOf(mesh: Mesh, protocol: keyof typeof transports, baseUrl = 'http://talk'): Client<Talk> {
  const sessionManager = meshSessionManager(mesh, baseUrl);
  return createClient(talk, transports[protocol]({ baseUrl, httpVersion: '2', sessionManager }));
}

describe('a service of Connect on a port of the mesh', () => {
  for (const protocol of ['grpc', 'grpc-web', 'connect'] as const) {
    it(`knows its caller by the certificate, and streams both ways at a time: ${protocol}`, async (t) => {
      const client = clientOf(await meshTo(t, await listen(t), web), protocol);
      assert.equal((await client.say({})).value, 'spiffe://example.org/web');
      let say: ((value: string | undefined) => void) | undefined;
      const words = async function* (): AsyncGenerator<{ value: string }> {
        yield { value: 'first' };
        for (;;) {
          const value = await new Promise<string | undefined>((resolve) => (say = resolve));
          if (value === undefined) return;
          yield { value };
        }
      };
      const answers: string[] = [];
      for await (const { value } of client.both(words())) {
        answers.push(value);
        say!(answers.length === 1 ? 'second' : undefined);
      }
      assert.deepEqual(answers, ['FIRST', 'SECOND']);
    });

    it(`refuses methods that the policy does not name, and callers that it does not know: ${protocol}`, async (t) => {
      const port = await listen(t);
      const known = clientOf(await meshTo(t, port, web), protocol);
      await assert.rejects(
        async () => {
          for await (const { value } of known.down({})) assert.fail(value);
        },
        { code: Code.PermissionDenied },
      );
      const unknown = clientOf(await meshTo(t, port, stranger), protocol);
      await assert.rejects(unknown.say({}), (error) => {
        assert.equal(ConnectError.from(error).code, Code.PermissionDenied);
        return true;
      });
    });
  }

  it('hands what is left of the caller’s time on to the calls that it makes', async (t) => {
    let toldMs: number | undefined;
    const behind = await startTalk({
      say: (_, context) => {
        toldMs = context.timeoutMs();
        return { value: 'from behind' };
      },
    });
    const port = await listen(t, behind.address);
    const client = clientOf(await meshTo(t, port, web), 'grpc');
    assert.equal((await client.say({ value: 'ask behind' })).value, 'from behind');
    assert.equal(toldMs, undefined);
    assert.equal((await client.say({ value: 'ask behind' }, { timeoutMs: 30_000 })).value, 'from behind');
    assert.ok(toldMs !== undefined && toldMs > 0 && toldMs <= 30_000, `${toldMs}`);
  });
});
