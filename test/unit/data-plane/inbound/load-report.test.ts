import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ProcessUse } from '../../../../src/base/runtime.ts';
import { LoadMeter } from '../../../../src/data-plane/inbound/load-report.ts';
import { loadReportFrom } from '../../../../src/data-plane/load-balancing/load-report.ts';
import { encodeLoadReport, decodeLoadReport } from '../../../../src/data-plane/load-balancing/load-report-message.ts';
import type { InboundResponse } from '../../../../src/model/inbound.ts';
import { createVirtualClock } from '../../../../src/testing/virtual-clock.ts';

/** A meter of a process with four processors, whose clock and use the test sets. */
function someMeter(): {
  readonly clock: ReturnType<typeof createVirtualClock>;
  readonly meter: LoadMeter;
  use: ProcessUse;
  reads: number;
} {
  const clock = createVirtualClock();
  const some = { clock, use: { cpuMs: 500, loopActiveMs: 100, loopIdleMs: 900 } as ProcessUse, reads: 0 };
  const read = (): ProcessUse => {
    some.reads++;
    return some.use;
  };
  return Object.assign(some, { meter: new LoadMeter(clock, read, 4) });
}

/** A response that keeps what is set on it. */
function someResponse() {
  const headers: Record<string, unknown> = {};
  const trailers: Record<string, string> = {};
  return {
    headers,
    trailers,
    getHeader: (name: string) => headers[name],
    setHeader: (name: string, value: unknown) => void (headers[name] = value),
    addTrailers: (added: Readonly<Record<string, string>>) => void Object.assign(trailers, added),
  };
}
const told = (meter: LoadMeter, isGrpc = false): ReturnType<typeof someResponse> => {
  const response = someResponse();
  meter.tell(response as unknown as InboundResponse, isGrpc);
  return response;
};

const expected = {
  // 1200 ms of 2000 ms × 4 processors, and 1500 of 2000 ms of the loop.
  cpuUtilization: 0.15,
  memoryUtilization: 0,
  applicationUtilization: 0.75,
  rps: 2,
  eps: 1,
};

/** Two seconds with four requests, of which one failed, one was left by its caller, and one is still under way. */
async function twoSeconds(some: ReturnType<typeof someMeter>): Promise<void> {
  for (let count = 0; count < 4; count++) some.meter.started();
  some.meter.ended(200);
  some.meter.ended(503);
  some.meter.ended(undefined);
  some.use = { cpuMs: 1700, loopActiveMs: 1600, loopIdleMs: 1400 };
  await some.clock.advance(2000);
}

describe('the load report of a server', () => {
  it('says what the process used and what it was asked, over the time since the last sample', async () => {
    const some = someMeter();
    await twoSeconds(some);
    assert.deepEqual(some.meter.report(), { ...expected, namedMetrics: { requests_in_flight: 1 }, utilization: {} });
  });

  it('is read by the client as it was written, in its header', async () => {
    const some = someMeter();
    await twoSeconds(some);
    const { headers } = told(some.meter);
    assert.equal(
      headers['endpoint-load-metrics'],
      'TEXT cpu_utilization=0.15,application_utilization=0.75,rps_fractional=2,eps=1,named_metrics.requests_in_flight=1',
    );
    assert.deepEqual(
      { ...loadReportFrom(headers as Record<string, string>) },
      {
        ...expected,
        namedMetrics: Object.assign(Object.create(null), { requests_in_flight: 1 }),
        utilization: Object.create(null),
      },
    );
  });

  it('goes with the trailers that a gRPC program sets, and not into its headers', async () => {
    const some = someMeter();
    await twoSeconds(some);
    const response = told(some.meter, true);
    assert.deepEqual(response.headers, {});
    response.addTrailers({ 'grpc-status': '0' });
    assert.equal(response.trailers['grpc-status'], '0');
    assert.equal(loadReportFrom(response.trailers)?.applicationUtilization, 0.75);
  });

  it('is in the head of a response of gRPC that is a head alone', async () => {
    const some = someMeter();
    await twoSeconds(some);
    const response = someResponse();
    response.setHeader('grpc-status', '13');
    some.meter.tell(response as unknown as InboundResponse, true);
    assert.equal(loadReportFrom(response.headers as Record<string, string>)?.applicationUtilization, 0.75);
  });

  it('leaves what the program has measured for a call as it is', async () => {
    const some = someMeter();
    await twoSeconds(some);
    const response = told(some.meter, true);
    const own = { ...some.meter.report()!, applicationUtilization: 0.5, namedMetrics: { queue: 7 } };
    response.addTrailers({ 'endpoint-load-metrics-bin': Buffer.from(encodeLoadReport(own)).toString('base64') });
    const report = loadReportFrom(response.trailers)!;
    assert.equal(report.applicationUtilization, 0.5);
    assert.deepEqual({ ...report.namedMetrics }, { requests_in_flight: 1, queue: 7 });
  });

  it('is not there in the first second', async () => {
    const some = someMeter();
    await some.clock.advance(999);
    assert.deepEqual(told(some.meter).headers, {});
    await some.clock.advance(1);
    assert.equal(typeof told(some.meter).headers['endpoint-load-metrics'], 'string');
  });

  it('is measured at most once a second, whatever the responses', async () => {
    const some = someMeter();
    await some.clock.advance(1000);
    for (let count = 0; count < 100; count++) told(some.meter);
    assert.equal(some.reads, 2);
    await some.clock.advance(1000);
    told(some.meter);
    assert.equal(some.reads, 3);
  });

  it('has no number with an exponent, which some readers do not know', async () => {
    const some = someMeter();
    some.use = { cpuMs: 500.000_01, loopActiveMs: 100.000_01, loopIdleMs: 1900 };
    await some.clock.advance(1000);
    assert.doesNotMatch(String(told(some.meter).headers['endpoint-load-metrics']), /e-|NaN|Infinity/);
  });

  it('measures the running process', async () => {
    const clock = createVirtualClock();
    const meter = new LoadMeter(clock);
    await clock.advance(1000);
    assert.ok(meter.report()!.cpuUtilization >= 0);
  });
});

describe('the binary form of a load report', () => {
  it('is read as it was written', () => {
    const report = {
      ...expected,
      memoryUtilization: 0.5,
      namedMetrics: { queue: 3, größe: 0 },
      utilization: { disk: 0.25 },
    };
    const read = decodeLoadReport(encodeLoadReport(report))!;
    assert.deepEqual({ ...read, namedMetrics: { ...read.namedMetrics }, utilization: { ...read.utilization } }, report);
  });
});
