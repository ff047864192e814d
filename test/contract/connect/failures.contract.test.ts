import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createClient, type Client, type Transport } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from '@connectrpc/connect-node';
import { meshSessionManager, type SessionManager } from 'meshfetch/connect';
import { talk, type Talk } from '../../support/connect-service.ts';
import { meshOf } from '../../support/mesh-of.ts';
import { seen, type Seen } from './calls.ts';
import { failures, startFailing, type ServerFailure } from './failures.ts';

interface Way {
  readonly baseUrl: string;
  readonly sessionManager: SessionManager;
}

const protocols: Readonly<Record<string, (way: Way) => Transport>> = {
  grpc: (way) => createGrpcTransport(way),
  'grpc-web': (way) => createGrpcWebTransport({ ...way, httpVersion: '2' }),
  connect: (way) => createConnectTransport({ ...way, httpVersion: '2' }),
};

interface Observed {
  readonly values: readonly string[];
  readonly error?: Seen;
}

async function observe(transport: Transport, { call }: ServerFailure): Promise<Observed> {
  const client: Client<Talk> = createClient(talk, transport);
  const values: string[] = [];
  try {
    if (call === 'say') values.push((await client.say({ value: 'x' })).value);
    else for await (const { value } of client.down({ value: 'x' })) values.push(value);
    return { values };
  } catch (error) {
    return { values, error: seen(error) };
  }
}

describe('what a server does wrong has the same code through the mesh', () => {
  for (const [protocol, transportOf] of Object.entries(protocols)) {
    for (const failure of failures) {
      it(`${protocol} ${failure.name}`, async () => {
        const plainServer = await startFailing(failure);
        const baseUrl = `http://${plainServer.address}`;
        const sessionManager = new Http2SessionManager(baseUrl);
        const plain = await observe(transportOf({ baseUrl, sessionManager }), failure);
        sessionManager.abort();

        const meshServer = await startFailing(failure);
        await using mesh = await meshOf({ talk: { endpoints: [meshServer.address] } });
        const through = await observe(
          transportOf({ baseUrl: 'http://talk', sessionManager: meshSessionManager(mesh, 'http://talk') }),
          failure,
        );
        if (failure.differs === undefined) assert.deepEqual(through, plain);
        else {
          assert.deepEqual([plain.error?.code, through.error?.code], [failure.differs.plain, failure.differs.mesh]);
          assert.deepEqual(through.values, plain.values);
        }
      });
    }
  }
});
