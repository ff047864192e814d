/** `healthChecks`: endpoints are asked whether they are well. */
import * as v from 'valibot';
import {
  authority,
  durationMs,
  flag,
  headerValue,
  list,
  mapping,
  maxCount,
  number,
  oneOf,
  onlyFor,
  port,
  text,
  tokenName,
  wholeNumber,
} from './schema-values.ts';

const pathExpected = 'a path such as /healthz, with or without a query';
const path = () => v.pipe(text(pathExpected), v.regex(/^\/[^#\s]*$/, pathExpected));

const statusExpected = 'a status such as 200, or a range in quotes such as "200-299"';

/** `200` or `"200-299"`. */
const status = v.union(
  [wholeNumber(100, 599), v.pipe(v.string(statusExpected), v.check(isStatusRange, statusExpected))],
  statusExpected,
);

function isStatusRange(range: string): boolean {
  const [, first = '', last = ''] = /^([1-5]\d\d)-([1-5]\d\d)$/.exec(range) ?? [];
  return first !== '' && first <= last;
}

const hexExpected = 'bytes in hexadecimal, two digits each, in quotes: "50494e47"';
const hex = () => v.pipe(text(hexExpected), v.regex(/^(?:[0-9a-fA-F]{2})+$/, hexExpected));

const interval = (meaning: string) => v.pipe(v.exactOptional(durationMs(1)), v.description(meaning));

/** The kinds of checks that a key belongs to; the others are for all. */
const kindsOf = {
  path: ['http'],
  host: ['http', 'grpc'],
  method: ['http'],
  expectedStatuses: ['http'],
  retriableStatuses: ['http'],
  protocol: ['http'],
  headers: ['http', 'grpc'],
  service: ['grpc'],
  sendHex: ['http', 'tcp'],
  expectHex: ['http', 'tcp'],
} as const;

/** An item of `healthChecks`, written out. */
export const healthCheck = v.pipe(
  mapping({
    kind: v.pipe(
      v.optional(oneOf(['http', 'tcp', 'grpc']), 'http'),
      v.description(
        '`http`: a request that must be answered with one of `expectedStatuses`. `grpc`: the health protocol of gRPC (`grpc.health.v1`). `tcp`: a connection.',
      ),
    ),
    path: v.pipe(v.exactOptional(path()), v.description('Only for `http`: what is asked for. `/` by default.')),
    host: v.pipe(
      v.exactOptional(authority()),
      v.description(
        'Only for `http` and `grpc`: the host that the check names. By default the name of the service, as in Envoy.',
      ),
    ),
    method: v.pipe(
      v.exactOptional(v.pipe(tokenName('a method such as HEAD'), v.check(isUpperCase, 'a method such as HEAD, in capitals'))),
      v.description('Only for `http`. GET by default.'),
    ),
    headers: v.pipe(
      v.exactOptional(v.record(tokenName(), headerValue(), 'a mapping')),
      v.description('Only for `http` and `grpc`: headers of the check.'),
    ),
    expectedStatuses: v.pipe(
      v.exactOptional(list(status)),
      v.description('Only for `http`: statuses that pass: `[200, 204, "300-399"]`. 200 alone by default, as in Envoy.'),
    ),
    retriableStatuses: v.pipe(
      v.exactOptional(list(status)),
      v.description(
        'Only for `http`: statuses that count towards `unhealthyThreshold`. Every other one that does not pass takes the endpoint out at once, as in Envoy: it was the endpoint itself that said so.',
      ),
    ),
    protocol: v.pipe(
      v.exactOptional(oneOf(['http1', 'http2'])),
      v.description('Only for `http`. By default that of the service.'),
    ),
    service: v.pipe(
      v.exactOptional(text('the name of a gRPC service')),
      v.description('Only for `grpc`: the service that is asked about. The whole server by default.'),
    ),
    sendHex: v.pipe(
      v.exactOptional(hex()),
      v.description('Only for `tcp`, and as the body of an `http` check: bytes that are sent. None by default.'),
    ),
    expectHex: v.pipe(
      v.exactOptional(list(hex())),
      v.description(
        'Only for `tcp` and `http`: bytes that must come back, in this order, with anything between them. By default connecting is enough for `tcp`.',
      ),
    ),
    port: v.pipe(v.exactOptional(port()), v.description('Port that is checked, instead of the one that requests go to.')),
    timeoutMs: v.pipe(
      v.optional(durationMs(1), 1000),
      v.description('A check that takes longer has failed. 1 s: as long as a connection may take.'),
    ),
    intervalMs: v.pipe(
      v.optional(durationMs(1), 5000),
      v.description('From the end of a check to the next one of the same endpoint. 5 s: ten processes ask it twice a second.'),
    ),
    unhealthyThreshold: v.pipe(
      v.optional(wholeNumber(1, maxCount), 3),
      v.description('Failed checks in a row that take an endpoint out. 3: one that was lost is no evidence.'),
    ),
    healthyThreshold: v.pipe(
      v.optional(wholeNumber(1, maxCount), 2),
      v.description('Passed checks in a row that bring it back. The very first check counts at once, as in Envoy.'),
    ),
    jitterPercent: v.pipe(
      v.optional(number(0, 100), 10),
      v.description('Random addition to each interval, up to this share of it, so that many processes do not ask together.'),
    ),
    jitterMs: interval('Random addition to each interval, up to so much. None by default.'),
    initialJitterMs: interval('Random delay of the first check, up to so much. None by default.'),
    noTrafficIntervalMs: interval('Interval while no request has gone to the service yet. 60000 by default, as in Envoy.'),
    noTrafficHealthyIntervalMs: interval('The same for endpoints that are well. `noTrafficIntervalMs` by default.'),
    unhealthyIntervalMs: interval('Interval of an endpoint that is out. `intervalMs` by default.'),
    unhealthyEdgeIntervalMs: interval(
      'Interval after the first failed check, until the threshold is reached. `unhealthyIntervalMs` by default.',
    ),
    healthyEdgeIntervalMs: interval(
      'Interval after the first passed check, until the threshold is reached. `intervalMs` by default.',
    ),
    reuseConnection: v.pipe(
      v.exactOptional(flag()),
      v.description('Whether one connection serves more than one check. It does by default, as in Envoy.'),
    ),
  }),
  onlyFor('kind', kindsOf),
  v.description('How an endpoint is asked whether it is well.'),
);

/** `healthChecks`. */
export const healthChecks = v.pipe(
  list(v.union([path(), healthCheck], 'a path such as /healthz, or a mapping')),
  v.description(
    'Endpoints are asked whether they are well, beside what requests find out: a path that must answer 200, or written out. Those that are not are left out, and until the first check of an endpoint is over it gets no requests. With several checks each must pass. None by default.',
  ),
);

/** An item that is a path alone, written out. */
export function healthCheckOfPath(path: string): v.InferOutput<typeof healthCheck> {
  return v.parse(healthCheck, { path });
}

function isUpperCase(method: string): boolean {
  return method === method.toUpperCase();
}
