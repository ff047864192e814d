import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodeLoadReport } from '../../../../src/data-plane/load-balancing/load-report-message.ts';
import { ReportFrames, reportRequest } from '../../../../src/data-plane/load-reports/report-frames.ts';

function frame(message: Uint8Array, flag = 0): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flag;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function report(rps: number): Buffer {
  const none = { memoryUtilization: 0, applicationUtilization: 0, eps: 0, namedMetrics: {}, utilization: {} };
  return frame(encodeLoadReport({ ...none, cpuUtilization: 0.5, rps }));
}

describe('the request for reports', () => {
  it('is a frame with the interval as a Duration', () => {
    // 1: { 1: 2 s, 2: 500,000,000 ns }
    assert.equal(reportRequest(2500).toString('hex'), '000000000a0a0808021080cab5ee01');
  });
});

describe('frames of reports', () => {
  it('are read however they are cut', () => {
    const bytes = Buffer.concat([report(1), report(2)]);
    for (let cut = 1; cut < bytes.length; cut++) {
      const frames = new ReportFrames();
      const got = [frames.read(bytes.subarray(0, cut)), frames.read(bytes.subarray(cut))].filter((each) => each !== undefined);
      assert.equal(got.at(-1)?.rps, 2, `cut at ${cut}`);
    }
  });

  it('of which several come at a time are the latest', () => {
    assert.equal(new ReportFrames().read(Buffer.concat([report(1), report(2), report(3).subarray(0, 7)]))?.rps, 2);
  });

  it('with a message that is no report are none', () => {
    const frames = new ReportFrames();
    assert.equal(frames.read(frame(Buffer.from([0x0a, 5, 1]))), undefined);
    assert.equal(frames.read(report(4))?.rps, 4);
  });

  it('are refused where they are compressed, or longer than any report', () => {
    assert.throws(() => new ReportFrames().read(frame(Buffer.alloc(1), 1)), /compressed/);
    const long = Buffer.alloc(5);
    long.writeUInt32BE(65_537, 1);
    assert.throws(() => new ReportFrames().read(long), /65537 bytes/);
  });
});
