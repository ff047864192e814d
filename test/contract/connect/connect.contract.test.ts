import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createClient, type Client, type Transport } from '@connectrpc/connect';
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from '@connectrpc/connect-node';
import { meshSessionManager, type SessionManager } from 'meshfetch/connect';
import { startTalk, talk, type Talk } from '../../support/connect-service.ts';
import { meshOf } from '../../support/mesh-of.ts';
import { calls, type Call } from './calls.ts';
import { Notes, talkAbout } from './server.ts';

interface Way {
  readonly baseUrl: string;
  readonly sessionManager: SessionManager;
}

const limits = { readMaxBytes: 3_000_000, writeMaxBytes: 4_500_000 };

const plain = { acceptCompression: [] };
const gzip = { sendCompression: compressionGzip, acceptCompression: [compressionGzip], compressMinBytes: 1 };
const http2 = { httpVersion: '2' } as const;

const protocols: Readonly<Record<string, (way: Way) => Transport>> = {
  grpc: (way) => createGrpcTransport({ ...way, ...limits, ...plain }),
  'grpc-gzip': (way) => createGrpcTransport({ ...way, ...limits, ...gzip }),
  'grpc-json': (way) => createGrpcTransport({ ...way, ...limits, ...plain, useBinaryFormat: false }),
  'grpc-web': (way) => createGrpcWebTransport({ ...way, ...limits, ...plain, ...http2 }),
  connect: (way) => createConnectTransport({ ...way, ...limits, ...plain, ...http2 }),
  'connect-gzip': (way) => createConnectTransport({ ...way, ...limits, ...gzip, ...http2 }),
  'connect-get': (way) =>
    createConnectTransport({ ...way, ...limits, ...plain, ...http2, useHttpGet: true, useBinaryFormat: false }),
};

/** The same protocols with messages in other forms. */
const variants: readonly string[] = ['grpc-gzip', 'grpc-json', 'connect-gzip', 'connect-get'];

async function both(transportOf: (way: Way) => Transport, call: Call): Promise<{ plain: unknown; mesh: unknown }> {
  const plainNotes = new Notes();
  const plainServer = await startTalk(talkAbout(plainNotes));
  const baseUrl = `http://${plainServer.address}`;
  const sessionManager = new Http2SessionManager(baseUrl);
  const plainClient: Client<Talk> = createClient(talk, transportOf({ baseUrl, sessionManager }));
  const plain = await call.run(plainClient, plainNotes);
  sessionManager.abort();
  await plainServer.close();

  const meshNotes = new Notes();
  const meshServer = await startTalk(talkAbout(meshNotes));
  await using mesh = await meshOf({ talk: { endpoints: [meshServer.address] } });
  const meshClient: Client<Talk> = createClient(
    talk,
    transportOf({ baseUrl: 'http://talk', sessionManager: meshSessionManager(mesh, 'http://talk') }),
  );
  const throughMesh = await call.run(meshClient, meshNotes);
  await meshServer.close();
  return { plain, mesh: throughMesh };
}

describe('a call through the mesh is what it is without', () => {
  for (const [protocol, transportOf] of Object.entries(protocols)) {
    for (const call of calls) {
      if (call.isAboutMessages !== true && variants.includes(protocol)) continue;
      it(`${protocol} ${call.name}`, async () => {
        const seen = await both(transportOf, call);
        assert.deepEqual(seen.mesh, seen.plain);
      });
    }
  }
});
