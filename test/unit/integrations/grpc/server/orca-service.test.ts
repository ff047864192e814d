/** The load report out of band: how often it comes, and that its streams hold nothing up. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { status, type ClientReadableStream, type StatusObject } from '@grpc/grpc-js';
import { orcaService } from 'meshfetch/grpc';
import { decodeLoadReport } from '../../../../../src/data-plane/load-balancing/load-report-message.ts';
import { intervalOf, orcaReports } from '../../../../../src/integrations/grpc/server/orca-service.ts';
import { createVirtualClock } from '../../../../../src/testing/virtual-clock.ts';
import { ProtobufWriter } from '../../../../../src/wire/protobuf.ts';
import { grpcPort, grpcServerOf, sameBytes, unreadCall, type GrpcPort } from '../../../../support/grpc-port.ts';
import { eventually } from '../../../../support/mesh-of.ts';

const path = '/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics';

function requestOf(seconds: number, nanos = 0): Buffer {
  const interval = new ProtobufWriter().varint(1, seconds).varint(2, nanos);
  return Buffer.from(new ProtobufWriter().message(1, interval).text(2, 'some_cost').finish());
}

function reports({ client }: GrpcPort, request: Buffer): { readonly got: Buffer[]; readonly call: ClientReadableStream<Buffer> } {
  const got: Buffer[] = [];
  const call = client.makeServerStreamRequest(path, sameBytes, sameBytes, request);
  call.on('error', () => {}).on('data', (message: Buffer) => got.push(message));
  return { got, call };
}

describe('the interval that a caller asks for', () => {
  for (const [name, message, expected] of [
    ['none', Buffer.alloc(0), 0],
    ['seconds-and-nanos', requestOf(2, 500_000_000), 2500],
    ['ten-seconds', requestOf(10), 10_000],
    ['negative', requestOf(-5), 0],
  ] as const)
    it(`is read: ${name}`, () => assert.equal(intervalOf(message), expected));

  it('is not read from what is no message', () => {
    assert.throws(() => intervalOf(Buffer.from([0x0a, 5, 1])), TypeError);
    assert.throws(() => intervalOf(new ProtobufWriter().message(1, Buffer.from([0x08])).finish()), TypeError);
  });
});

describe('load reports out of band', () => {
  it('come at once and at the interval asked for, never more often than is allowed', async (t) => {
    const clock = createVirtualClock();
    let made = 0;
    const server = grpcServerOf({});
    orcaReports(() => Buffer.from([++made]), 1000, clock).addToServer(server);
    const port = await grpcPort(t, server);
    const asked = reports(port, requestOf(0, 1_000_000));
    await eventually('the first report', () => asked.got.length === 1);
    await clock.advance(999);
    assert.equal(made, 1);
    await clock.advance(1);
    await eventually('the second report', () => asked.got.length === 2);
    asked.call.cancel();
    const byDefault = reports(port, Buffer.alloc(0));
    await eventually('the first report', () => byDefault.got.length === 1);
    const before = made;
    await clock.advance(29_999);
    assert.equal(made, before, 'half a minute where nobody says otherwise; the stream that was cancelled is over');
    await clock.advance(1);
    await eventually('the second report', () => byDefault.got.length === 2);
    byDefault.call.cancel();
  });

  it('do not pile up for a caller that does not read', async (t) => {
    const clock = createVirtualClock();
    let made = 0;
    const server = grpcServerOf({});
    orcaReports(() => Buffer.alloc(20_000, String(++made)), 1000, clock).addToServer(server);
    const port = await grpcPort(t, server);
    const call = unreadCall(t, port.inbound.port, path, requestOf(1));
    await once(call, 'response');
    await clock.advance(3_000_000);
    // 3001 would be 60 MB: a window (64 KB) and what a stream of grpc-js keeps (16 messages) were filled, and no more was made.
    assert.ok(made < 50, `${made} reports were made`);
    call.resume();
    const before = made;
    await eventually('it goes on when it is read', () => (void clock.advance(1000), made > before));
  });

  it('are those of the process, and end with the drain of the port', async (t) => {
    const { createMesh } = await import('meshfetch');
    const { grpcHandler } = await import('meshfetch/grpc');
    const { Client, credentials } = await import('@grpc/grpc-js');
    const mesh = await createMesh({ controlPlane: { services: {} }, drainTimeoutMs: 60_000 });
    t.after(() => mesh.close());
    const server = grpcServerOf({});
    orcaService(mesh).addToServer(server);
    const inbound = await mesh.listen(grpcHandler(server), { port: 0, host: '127.0.0.1' });
    const client = new Client(`127.0.0.1:${inbound.port}`, credentials.createInsecure());
    t.after(() => client.close());
    const call = client.makeServerStreamRequest(path, sameBytes, sameBytes, requestOf(1));
    const [message] = (await once(call, 'data')) as [Buffer];
    const report = decodeLoadReport(message)!;
    assert.equal(report.namedMetrics['requests_in_flight'], 1);
    assert.ok(report.applicationUtilization >= 0);
    const ended = new Promise<StatusObject>((resolve) => call.on('error', () => {}).on('status', resolve));
    await inbound.close();
    assert.equal((await ended).code, status.UNAVAILABLE);
  });

  it('refuse an interval that is none', () => {
    for (const minReportIntervalMs of [0, -1, Number.NaN, Infinity])
      assert.throws(() => orcaService({ inbound: () => assert.fail() } as never, { minReportIntervalMs }), RangeError);
  });
});
