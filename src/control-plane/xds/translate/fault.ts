import type { FaultConfig } from '../../../model/policy.ts';
import type { Message } from './message.ts';
import { fractionFrom, headerMatchersFrom } from './string-matcher.ts';

const none = { numerator: 0, denominator: 100 } as const;

/** Reads an `HTTPFault`; undefined when it does nothing, or is for some requests only that cannot be told from the others here. */
export function faultFrom(message: Message): FaultConfig | undefined {
  const delay = delayFrom(message.message('delay'));
  const abort = abortFrom(message.message('abort'));
  const limit = message.message('response_rate_limit');
  const tests = message.messages('headers');
  const headers = headerMatchersFrom(tests);
  const isForOthers = isForSome(message, tests.length - headers.length);
  const maxActive = message.whole('max_active_faults');
  const responseBytesPerSecond = limit && rateFrom(limit);
  message.skip('disable_downstream_cluster_stats');
  if (isForOthers || (delay === undefined && abort === undefined && responseBytesPerSecond === undefined)) return undefined;
  return {
    ...(delay !== undefined && { delay }),
    ...(abort !== undefined && { abort }),
    ...(maxActive !== undefined && { maxActive }),
    ...(responseBytesPerSecond !== undefined && { responseBytesPerSecond }),
    ...(headers.length > 0 && { headers }),
  };
}

/** Whether it is for requests that are not known here; a fault for all of them would be worse than none. */
function isForSome(message: Message, untested: number): boolean {
  const cluster = message.text('upstream_cluster') ?? '';
  const nodes = message.list('downstream_nodes');
  if (cluster !== '') message.note('upstream_cluster', 'a fault for one cluster is not carried out; no request gets it');
  if (nodes.length > 0) message.note('downstream_nodes', 'a fault for some callers is not carried out; no request gets it');
  if (untested > 0) message.note('headers', 'not all of them can be tested; no request gets the fault');
  return cluster !== '' || nodes.length > 0 || untested > 0;
}

function delayFrom(message: Message | undefined): FaultConfig['delay'] {
  if (message === undefined) return undefined;
  const kind = message.oneOf('fixed_delay', 'header_delay');
  if (kind === undefined) message.findings.problem(message.path, 'must have fixed_delay or header_delay');
  if (kind === 'header_delay') message.message('header_delay');
  const fixedMs = message.durationMs('fixed_delay');
  const percentage = message.message('percentage');
  return {
    fraction: percentage === undefined ? none : fractionFrom(percentage),
    ...(fixedMs !== undefined && { fixedMs }),
    ...(kind === 'header_delay' && { byHeader: true }),
  };
}

function abortFrom(message: Message | undefined): FaultConfig['abort'] {
  if (message === undefined) return undefined;
  const kind = message.oneOf('http_status', 'grpc_status', 'header_abort');
  if (kind === undefined) message.findings.problem(message.path, 'must have one of http_status, grpc_status and header_abort');
  if (kind === 'header_abort') message.message('header_abort');
  const httpStatus = message.whole('http_status', 200, 599);
  const grpcStatus = message.whole('grpc_status', 0, 16);
  const percentage = message.message('percentage');
  return {
    fraction: percentage === undefined ? none : fractionFrom(percentage),
    ...(httpStatus !== undefined && { httpStatus }),
    ...(grpcStatus !== undefined && { grpcStatus }),
    ...(kind === 'header_abort' && { byHeader: true }),
  };
}

/** Bytes a second of the limit, where it holds for every response: the model knows no share of them. */
function rateFrom(limit: Message): number | undefined {
  const fixed = limit.message('fixed_limit');
  const percentage = limit.message('percentage');
  const fraction = percentage === undefined ? none : fractionFrom(percentage);
  if (fraction.numerator === 0) return undefined;
  if (fixed === undefined) {
    limit.note('header_limit', 'a limit that a header names is not carried out');
    return undefined;
  }
  const kibibytes = fixed.whole('limit_kbps', 1);
  if (fraction.numerator < fraction.denominator) {
    limit.note('percentage', 'a limit for a share of the responses is not carried out; none is limited');
    return undefined;
  }
  return kibibytes === undefined ? undefined : kibibytes * 1024; // Envoy's "kbps" are KiB a second
}
