import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Findings, type Message } from '../../../../../src/control-plane/xds/translate/message.ts';
import { messageFromWire } from '../../../../../src/control-plane/xds/wire/message-from-wire.ts';
import { ProtobufWriter } from '../../../../../src/wire/protobuf.ts';
import { envoyBytes } from '../../../../support/envoy-bytes.ts';

const cluster = 'envoy.config.cluster.v3.Cluster';
const write = (): ProtobufWriter => new ProtobufWriter();

interface Read {
  readonly message: Message;
  readonly findings: Findings;
}

function read(bytes: Uint8Array | ProtobufWriter, type = cluster): Read {
  const findings = new Findings();
  const message = messageFromWire(bytes instanceof ProtobufWriter ? bytes.finish() : bytes, type, 'top', findings);
  return { message: message!, findings };
}

function readJson(json: object, type = cluster): Read {
  return read(envoyBytes(json, type), type);
}

const joined = (...parts: readonly (Uint8Array | ProtobufWriter)[]): Uint8Array =>
  Buffer.concat(parts.map((part) => (part instanceof ProtobufWriter ? part.finish() : part)));

describe('a message in bytes', () => {
  it('is read by the names of its fields', () => {
    const { message, findings } = readJson({
      name: 'cart',
      type: 'EDS',
      connect_timeout: '1.5s',
      respect_dns_ttl: true,
      per_connection_buffer_limit_bytes: 5,
      wait_for_warm_on_init: false,
      circuit_breakers: { thresholds: [{ max_requests: 7 }, { priority: 'HIGH' }] },
    });
    assert.equal(message.text('name'), 'cart');
    assert.equal(message.choice('type', ['STATIC', 'STRICT_DNS', 'LOGICAL_DNS', 'EDS']), 'EDS');
    assert.equal(message.durationMs('connect_timeout'), 1500);
    assert.equal(message.flag('respect_dns_ttl'), true);
    assert.equal(message.whole('per_connection_buffer_limit_bytes'), 5);
    assert.equal(message.flag('wait_for_warm_on_init'), false);
    const thresholds = message.message('circuit_breakers')!.messages('thresholds');
    assert.equal(thresholds[0]!.whole('max_requests'), 7);
    assert.equal(thresholds[1]!.choice('priority', ['DEFAULT', 'HIGH']), 'HIGH');
    assert.equal(thresholds[1]!.path, 'top.circuit_breakers.thresholds[1]');
    assert.equal(message.message('circuit_breakers')!.messages('thresholds')[0], thresholds[0]);
    assert.deepEqual(
      [message.has('alt_stat_name'), message.text('alt_stat_name'), message.texts('lrs_report_endpoint_metrics')],
      [false, undefined, []],
    );
    assert.deepEqual(message.keys().toSorted().slice(0, 3), ['circuit_breakers', 'connect_timeout', 'name']);
    findings.reportUnread();
    assert.deepEqual([findings.problems, findings.unhonoured], [[], []]);
  });

  it('reports every field that nobody read, by name and path, and numbers that it does not know', () => {
    const { message, findings } = read(
      joined(
        envoyBytes({ name: 'a', outlier_detection: { interval: '1s' } }, cluster),
        write().varint(999, 1).varint(999, 2).text(1000, 'x'),
      ),
    );
    message.text('name');
    message.message('outlier_detection');
    findings.reportUnread();
    assert.deepEqual(
      findings.unhonoured.map(({ path }) => path),
      ['top.field 999', 'top.field 1000', 'top.outlier_detection.interval'],
    );
  });

  it('reports no more than a few of the fields that it does not know', () => {
    const bytes = write();
    for (let number = 100; number < 2000; number++) bytes.varint(number, 1);
    const { findings } = read(bytes);
    findings.reportUnread();
    assert.equal(findings.unhonoured.length, 16);
  });

  it('does not report what is the default', () => {
    const { findings } = read(write().text(1, '').varint(6, 0).varint(39, 0).message(5, write()));
    findings.reportUnread();
    assert.deepEqual(findings.unhonoured, []);
  });

  it('takes the last one of a field that came twice', () => {
    const { message } = read(write().text(1, 'a').text(1, 'b').varint(6, 1).varint(6, 2));
    assert.equal(message.text('name'), 'b');
    assert.equal(message.raw('lb_policy'), 'RING_HASH');
  });

  it('merges a message that came in pieces', () => {
    const piece = (json: object): Uint8Array => envoyBytes({ outlier_detection: json }, cluster);
    const { message } = read(
      joined(piece({ consecutive_5xx: 3, interval: '1s' }), piece({ consecutive_5xx: 4 }), piece({ max_ejection_percent: 20 })),
    );
    const outlier = message.message('outlier_detection')!;
    assert.deepEqual(
      [outlier.whole('consecutive_5xx'), outlier.durationMs('interval'), outlier.whole('max_ejection_percent')],
      [4, 1000, 20],
    );
    assert.equal(
      read(joined(write().message(4, write().varint(1, 3)), write().message(4, write().varint(2, 5_000_000)))).message.durationMs(
        'connect_timeout',
      ),
      3005,
    );
    assert.deepEqual(read(joined(piece({ consecutive_5xx: 3 }), piece({ interval: '1s' }))).message.raw('outlier_detection'), {
      consecutive_5xx: 3,
      interval: { seconds: 1 },
    });
  });

  it('has the last one of the fields of a oneof', () => {
    const { message } = read(joined(envoyBytes({ type: 'EDS' }, cluster), envoyBytes({ cluster_type: { name: 'x' } }, cluster)));
    assert.equal(message.oneOf('type', 'cluster_type'), 'cluster_type');
    assert.equal(message.has('type'), false);
    const back = read(joined(envoyBytes({ cluster_type: { name: 'x' } }, cluster), envoyBytes({ type: 'EDS' }, cluster))).message;
    assert.deepEqual([back.oneOf('type', 'cluster_type'), back.message('cluster_type')], ['type', undefined]);
  });

  it('takes lists of numbers packed, one by one, and both', () => {
    const policy = 'envoy.config.route.v3.RetryPolicy';
    const number = 7; // retriable_status_codes
    const { message } = read(
      joined(write().varint(number, 500), write().bytes(number, Buffer.of(0xf6, 3, 0xf7, 3)), write().varint(number, 504)),
      policy,
    );
    assert.deepEqual(message.list('retriable_status_codes'), [500, 502, 503, 504]);
    assert.equal(read(write().bytes(number, Buffer.of(0xf6)), policy).message, undefined);
  });

  it('has numbers up to 2^53, and digits beyond', () => {
    const hex = (text: string): Message =>
      read(Buffer.from(text, 'hex'), 'envoy.config.endpoint.v3.UpstreamLocalityStats').message;
    // Field 2 is a uint64.
    assert.equal(hex('10ffffffffffffff0f').raw('total_successful_requests'), Number.MAX_SAFE_INTEGER);
    assert.equal(hex('108080808080808010').raw('total_successful_requests'), '9007199254740992');
    assert.equal(hex('10ffffffffffffffffff01').raw('total_successful_requests'), '18446744073709551615');
    const seconds = read(Buffer.from('220b08ffffffffffffffffff01', 'hex'));
    assert.equal(seconds.message.durationMs('connect_timeout'), undefined);
    assert.match(seconds.findings.problems[0]!.reason, /negative/);
    const far = read(write().message(4, write().varint(1, 400_000_000_000)));
    assert.equal(far.message.durationMs('connect_timeout'), undefined);
    assert.match(far.findings.problems[0]!.reason, /longer/);
  });

  it('has numbers with a fraction as JSON has them', () => {
    const type = 'envoy.extensions.load_balancing_policies.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin';
    assert.equal(readJson({ error_utilization_penalty: 0.1 }, type).message.number('error_utilization_penalty'), 0.1);
    const strange = readJson({ error_utilization_penalty: 'Infinity' }, type);
    assert.equal(strange.message.number('error_utilization_penalty'), undefined);
    assert.match(strange.findings.problems[0]!.reason, /Infinity/);
  });

  it('has enums by name where they have one', () => {
    assert.equal(read(write().varint(6, 3)).message.raw('lb_policy'), 'RANDOM');
    const { message, findings } = read(write().varint(6, 99));
    assert.equal(message.choice('lb_policy', ['ROUND_ROBIN']), undefined);
    assert.equal(findings.problems[0]!.reason, '99 is none of ROUND_ROBIN');
  });

  it('has maps as messages with the keys as names, of which the last one counts', () => {
    const entry = (key: string, url: string): ProtobufWriter =>
      write().message(36, write().text(1, key).message(2, write().text(1, url)));
    const { message, findings } = read(
      joined(entry('a.b', 'x/one'), entry('a_b', 'x/two'), entry('a.b', 'x/three'), write().message(36, write().text(1, 'none'))),
    );
    const map = message.message('typed_extension_protocol_options')!;
    assert.deepEqual(map.keys(), ['a.b', 'a_b', 'none']);
    assert.equal(map.any('a.b')!.type, 'three');
    assert.equal(map.any('none')!.type, '');
    assert.equal(map.message('a.b')!.path, 'top.typed_extension_protocol_options["a.b"]');
    findings.reportUnread();
    assert.deepEqual(
      findings.unhonoured.map(({ path }) => path),
      ['top.typed_extension_protocol_options.a_b'],
    );
  });

  it('has structured values as JSON, whatever their keys are', () => {
    const metadata = { filter_metadata: { a: { text: 'x', number: 1.5, none: null, list: [true, [], {}], inner: { b: 'c' } } } };
    assert.deepEqual(
      readJson(metadata, 'envoy.config.core.v3.Metadata').message.raw('filter_metadata'),
      metadata.filter_metadata,
    );
    const hostile = JSON.parse('{"filter_metadata":{"__proto__":{"polluted":true}}}') as object;
    const value = readJson(hostile, 'envoy.config.core.v3.Metadata').message.raw('filter_metadata') as object;
    assert.deepEqual([Object.keys(value), Reflect.get(value, 'polluted')], [['__proto__'], undefined]);
  });

  it('has bytes as they are, and in base64 where texts are asked for', () => {
    const { message, findings } = readJson({ key: 'a', raw_value: 'AQID' }, 'envoy.config.core.v3.HeaderValue');
    assert.deepEqual([...message.bytes('raw_value')!], [1, 2, 3]);
    assert.equal(message.text('raw_value'), 'AQID');
    assert.equal(message.bytes('value'), undefined);
    assert.equal(message.bytes('key'), undefined);
    assert.deepEqual(findings.problems, [{ path: 'top.key', reason: 'must be bytes' }]);
  });
});

describe('an Any in bytes', () => {
  const socket = (json: object): Message =>
    readJson({ transport_socket: { name: 'tls', typed_config: json } }).message.message('transport_socket')!;
  const url = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';

  it('is the message in it, with its type', () => {
    const { type, message } = socket({ '@type': url, sni: 'cart' }).any('typed_config')!;
    assert.equal(type, 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext');
    assert.equal(message.text('sni'), 'cart');
    assert.equal(message.text('@type'), url);
    assert.deepEqual(message.keys(), ['@type', 'sni']);
  });

  it('of a type that nobody knows has only the type', () => {
    const { type, message } = socket({ '@type': 'type.googleapis.com/mine.v1.M' }).any('typed_config')!;
    assert.deepEqual([type, message.keys(), message.text('name')], ['mine.v1.M', ['@type'], undefined]);
  });

  it('is what a TypedStruct says', () => {
    const typed = {
      '@type': 'type.googleapis.com/udpa.type.v1.TypedStruct',
      type_url: 'a/envoy.x.v3.Y',
      value: { depth: 3, in: { a: 'b' } },
    };
    const { type, message } = socket(typed).any('typed_config')!;
    assert.deepEqual([type, message.whole('depth'), message.message('in')!.text('a')], ['envoy.x.v3.Y', 3, 'b']);
  });

  it('of a value that JSON has no object for has it under its name', () => {
    const struct = socket({ '@type': 'type.googleapis.com/google.protobuf.Struct', value: { a: 1 } });
    assert.equal(struct.any('typed_config')!.message.message('value')!.whole('a'), 1);
  });
});

describe('bytes that are no message', () => {
  const rows: readonly { name: string; hex: string }[] = [
    { name: 'tag-cut-short', hex: '80' },
    { name: 'number-zero', hex: '0001' },
    { name: 'number-beyond-29-bits', hex: '80808080800101' },
    { name: 'no-value', hex: '30' },
    { name: 'endless-varint', hex: `30${'ff'.repeat(11)}` },
    { name: 'text-beyond-the-end', hex: '0a0561' },
    { name: 'length-of-2-to-the-63', hex: '0affffffffffffffff7f' },
    { name: 'end-of-a-group-that-was-not-begun', hex: '0c' },
    { name: 'group-without-end', hex: 'fb01' },
    { name: 'group-with-another-end', hex: 'fb018402' },
    { name: 'groups-in-groups', hex: `${'fb01'.repeat(100)}${'fc01'.repeat(100)}` },
    { name: 'wire-type-that-nobody-knows', hex: '0e' },
    { name: 'fixed-of-8-cut-short', hex: 'f90100' },
    { name: 'fixed-of-4-cut-short', hex: 'fd0100' },
  ];
  for (const { name, hex } of rows)
    it(`are refused: ${name}`, () => {
      const { message, findings } = read(Buffer.from(hex, 'hex'));
      assert.deepEqual([message, findings.problems.length, findings.problems[0]?.path], [undefined, 1, 'top']);
    });

  it('are refused where they are asked for, inside of a message', () => {
    const broken = read(
      write()
        .text(1, 'a')
        .bytes(19, Buffer.of(0x80))
        .bytes(4, Buffer.of(0x80))
        .bytes(5, Buffer.of(0x80))
        .bytes(8, Buffer.of(0x80))
        .bytes(36, Buffer.of(0x80)),
    );
    for (const name of ['outlier_detection', 'typed_extension_protocol_options'])
      assert.equal(broken.message.message(name), undefined);
    assert.equal(broken.message.durationMs('connect_timeout'), undefined);
    assert.equal(broken.message.whole('per_connection_buffer_limit_bytes'), undefined);
    assert.deepEqual(broken.message.messages('health_checks'), []);
    assert.deepEqual(
      broken.findings.problems.map(({ path }) => path),
      [
        'outlier_detection',
        'typed_extension_protocol_options',
        'connect_timeout',
        'per_connection_buffer_limit_bytes',
        'health_checks[0]',
      ].map((name) => `top.${name}`),
    );
  });

  it('passes over groups and values of another type than the field has', () => {
    const group = Buffer.from('fb01080112016113140afc01', 'hex'); // 31 { 1: 1, 2: 'a', 2 { } … } with a text that is cut
    assert.equal(read(joined(write().text(1, 'a'), group)).message, undefined);
    const whole = Buffer.from('fb0108011201611314fc01', 'hex');
    const { message, findings } = read(joined(whole, write().text(1, 'a').varint(8, 5).text(6, 'x')));
    assert.equal(message.text('name'), 'a');
    assert.deepEqual([message.messages('health_checks'), message.raw('lb_policy')], [[], undefined]);
    findings.reportUnread();
    assert.deepEqual(
      findings.unhonoured.map(({ path }) => path),
      ['top.field 31', 'top.field 8', 'top.field 6'],
    );
  });

  it('are no texts when they are no UTF-8', () => {
    const { message, findings } = read(write().bytes(1, Buffer.of(0xc3, 0x28)).bytes(57, Buffer.of(0xff)).text(57, 'a\uFFFDb'));
    assert.equal(message.text('name'), undefined);
    assert.deepEqual(message.texts('lrs_report_endpoint_metrics'), ['a\uFFFDb']);
    assert.deepEqual(
      findings.problems.map(({ reason }) => reason),
      Array.from({ length: 2 }, () => 'must be a text, not bytes that are no UTF-8'),
    );
  });
});

describe('a message that is nested without end', () => {
  it('is read to a depth that no good one has', () => {
    let permission: object = { any: true };
    for (let depth = 0; depth < 60; depth++) permission = { and_rules: { rules: [permission] } };
    const { message, findings } = readJson(permission, 'envoy.config.rbac.v3.Permission');
    let inner: Message | undefined = message;
    let depth = 0;
    for (; inner !== undefined && inner.flag('any') !== true; depth++) inner = inner.message('and_rules')?.messages('rules')[0];
    assert.equal(depth, 17); // Two messages each: the 33rd is too deep.
    assert.match(findings.problems[0]!.reason, /deeper than 32/);
  });

  it('is no value of JSON either', () => {
    const bytes = deepStruct(5000);
    const { message, findings } = read(
      write().message(1, write().text(1, 'a').message(2, bytes)),
      'envoy.config.core.v3.Metadata',
    );
    assert.equal(message.message('filter_metadata')!.message('a'), undefined);
    assert.match(findings.problems[0]!.reason, /below 32 others/);
    assert.equal(typeof message.raw('filter_metadata'), 'symbol');
  });
});

/** A Struct in a Struct, so many times; written from the inside. */
function deepStruct(depth: number): ProtobufWriter {
  let struct = write();
  for (let level = 0; level < depth; level++)
    struct = write().message(1, write().text(1, 'a').message(2, write().message(5, struct)));
  return struct;
}
