import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadReportFrom, type ReportHeaders } from '../../../../src/data-plane/load-balancing/load-report.ts';

/** A report in numbers, for comparison. */
function told(headers: ReportHeaders): Record<string, unknown> | undefined {
  const report = loadReportFrom(headers);
  return report && { ...report, namedMetrics: { ...report.namedMetrics }, utilization: { ...report.utilization } };
}

/** A field of a message: a double. */
function double(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(9);
  bytes[0] = field * 8 + 1;
  bytes.writeDoubleLE(value, 1);
  return bytes;
}

function part(field: number, content: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([field * 8 + 2, content.length]), content]);
}

function entry(field: number, name: string, value: number): Buffer {
  return part(field, Buffer.concat([part(1, Buffer.from(name)), double(2, value)]));
}

const whole = {
  cpuUtilization: 0.7,
  memoryUtilization: 0.9,
  applicationUtilization: 0.8,
  rps: 1000,
  eps: 2,
  namedMetrics: { foo: 123, 'bar.baz': 0.2 },
  utilization: { disk: 0.5 },
};

const message = Buffer.concat([
  double(1, 0.7),
  double(2, 0.9),
  // rps of before rps_fractional: a varint, which nothing reads.
  Buffer.from([3 * 8, 0xe8, 0x07]),
  entry(4, 'cost', 1),
  entry(5, 'disk', 0.5),
  double(6, 1000),
  double(7, 2),
  entry(8, 'foo', 123),
  entry(8, 'bar.baz', 0.2),
  double(9, 0.8),
]);

const none = {
  cpuUtilization: 0,
  memoryUtilization: 0,
  applicationUtilization: 0,
  rps: 0,
  eps: 0,
  namedMetrics: {},
  utilization: {},
};

describe('a load report', () => {
  const readable: readonly { name: string; headers: ReportHeaders; report: Record<string, unknown> }[] = [
    {
      name: 'text',
      headers: {
        'endpoint-load-metrics':
          'TEXT cpu_utilization=0.7,application_utilization=0.8, mem_utilization=0.9,rps_fractional=1000,eps=2,named_metrics.foo=123,named_metrics.bar.baz=0.2,utilization.disk=0.5',
      },
      report: whole,
    },
    {
      name: 'text-with-colons-and-spaces',
      headers: { 'endpoint-load-metrics': 'TEXT cpu_utilization: 0.5 , eps:1' },
      report: { ...none, cpuUtilization: 0.5, eps: 1 },
    },
    { name: 'text-with-unknown-name', headers: { 'endpoint-load-metrics': 'TEXT gpu=0.5,eps=1' }, report: { ...none, eps: 1 } },
    {
      name: 'json-snake-case',
      headers: {
        'endpoint-load-metrics':
          'JSON {"cpu_utilization":0.7,"mem_utilization":0.9,"application_utilization":0.8,"rps_fractional":1000,"eps":2,"named_metrics":{"foo":123,"bar.baz":0.2},"utilization":{"disk":0.5},"request_cost":{"x":1}}',
      },
      report: whole,
    },
    {
      name: 'json-camel-case-and-texts',
      headers: { 'endpoint-load-metrics': 'JSON {"cpuUtilization":"0.5","rpsFractional":3}' },
      report: { ...none, cpuUtilization: 0.5, rps: 3 },
    },
    { name: 'bin', headers: { 'endpoint-load-metrics': `BIN ${message.toString('base64')}` }, report: whole },
    { name: 'bin-trailer', headers: { 'endpoint-load-metrics-bin': message.toString('base64') }, report: whole },
    {
      name: 'bin-without-padding',
      headers: { 'endpoint-load-metrics-bin': double(1, 0.25).toString('base64').replace(/=+$/, '') },
      report: { ...none, cpuUtilization: 0.25 },
    },
    {
      name: 'first-of-several-values',
      headers: { 'endpoint-load-metrics': ['TEXT eps=1', 'TEXT eps=2'] },
      report: { ...none, eps: 1 },
    },
  ];
  for (const { name, headers, report } of readable) {
    it(`is read: ${name}`, () => assert.deepEqual(told(headers), report));
  }

  const unreadable: readonly { name: string; headers: ReportHeaders }[] = [
    { name: 'none', headers: { 'content-type': 'text/plain' } },
    { name: 'without-format', headers: { 'endpoint-load-metrics': 'cpu_utilization=0.7' } },
    { name: 'empty', headers: { 'endpoint-load-metrics': '' } },
    { name: 'empty-text', headers: { 'endpoint-load-metrics': 'TEXT ' } },
    { name: 'nan', headers: { 'endpoint-load-metrics': 'TEXT cpu_utilization=NaN' } },
    { name: 'infinite', headers: { 'endpoint-load-metrics': 'TEXT cpu_utilization=1e999' } },
    { name: 'no-number', headers: { 'endpoint-load-metrics': 'TEXT cpu_utilization="0.7"' } },
    { name: 'no-value', headers: { 'endpoint-load-metrics': 'TEXT cpu_utilization=' } },
    { name: 'no-sign', headers: { 'endpoint-load-metrics': 'TEXT cpu_utilization' } },
    { name: 'twice', headers: { 'endpoint-load-metrics': 'TEXT eps=1,eps=2' } },
    { name: 'broken-json', headers: { 'endpoint-load-metrics': 'JSON {"eps":' } },
    { name: 'json-list', headers: { 'endpoint-load-metrics': 'JSON [1]' } },
    { name: 'json-map-that-is-none', headers: { 'endpoint-load-metrics': 'JSON {"named_metrics":3}' } },
    { name: 'cut-off', headers: { 'endpoint-load-metrics-bin': message.subarray(0, message.length - 3).toString('base64') } },
    { name: 'nan-in-message', headers: { 'endpoint-load-metrics-bin': double(1, Number.NaN).toString('base64') } },
    { name: 'group-of-old', headers: { 'endpoint-load-metrics-bin': Buffer.from([1 * 8 + 3]).toString('base64') } },
    { name: 'endless-number', headers: { 'endpoint-load-metrics-bin': Buffer.alloc(12, 0xff).toString('base64') } },
  ];
  for (const { name, headers } of unreadable) {
    it(`is none: ${name}`, () => assert.equal(loadReportFrom(headers), undefined));
  }

  it('keeps names that objects have of their own apart', () => {
    const report = loadReportFrom({ 'endpoint-load-metrics': 'TEXT named_metrics.__proto__=1,named_metrics.constructor=2' })!;
    assert.deepEqual(Object.entries(report.namedMetrics), [
      ['__proto__', 1],
      ['constructor', 2],
    ]);
    assert.equal(({} as Record<string, unknown>)['constructor'], Object);
  });

  it('is never an error, whatever the bytes', () => {
    for (let at = 0; at < message.length; at++) {
      for (const byte of [0, 0x0a, 0x7f, 0xff]) {
        const changed = Buffer.from(message);
        changed[at] = byte;
        const report = loadReportFrom({ 'endpoint-load-metrics-bin': changed.toString('base64') });
        for (const value of Object.values(report?.namedMetrics ?? {})) assert.ok(Number.isFinite(value));
      }
    }
  });
});
