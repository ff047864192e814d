/** Active health checks (`config.core.v3.HealthCheck`), and what endpoints say about their own (`Endpoint.HealthCheckConfig`). */
import type { EndpointHealthCheck, HealthCheckConfig } from '../../../model/health.ts';
import { additionsFrom } from './header-mutation.ts';
import type { Message } from './message.ts';
import { structFrom } from './metadata.ts';
import { stringMatcherFrom, valueOrNote } from './string-matcher.ts';

type Common = Pick<HealthCheckConfig, 'timeoutMs' | 'intervalMs' | 'unhealthyThreshold' | 'healthyThreshold'> &
  Partial<HealthCheckConfig>;

const codecs = ['HTTP1', 'HTTP2', 'HTTP3'] as const;
/** `RequestMethod`, in the order of its numbers. */
const methods = ['METHOD_UNSPECIFIED', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'] as const;

/** Reads a `HealthCheck`; undefined when it is of a kind that is not known here. */
export function healthCheckFrom(message: Message): HealthCheckConfig | undefined {
  const kind = message.oneOf('http_health_check', 'tcp_health_check', 'grpc_health_check', 'custom_health_check');
  const common = commonFrom(message);
  const probe = kind === undefined ? undefined : message.message(kind);
  if (kind === undefined) {
    message.findings.problem(message.path, 'must have one of http_health_check, tcp_health_check and grpc_health_check');
    return undefined;
  }
  if (probe === undefined) return undefined;
  switch (kind) {
    case 'http_health_check':
      return { kind: 'http', ...common, ...httpFrom(probe) };
    case 'tcp_health_check':
      return { kind: 'tcp', ...common, ...tcpFrom(probe) };
    case 'grpc_health_check':
      return { kind: 'grpc', ...common, ...grpcFrom(probe) };
    default:
      message.note(kind, 'is not carried out: the endpoints are not probed by it');
      probe.markRead();
      return undefined;
  }
}

/** Reads an `Endpoint.HealthCheckConfig`; undefined when it says nothing. */
export function endpointHealthCheckFrom(message: Message | undefined): EndpointHealthCheck | undefined {
  if (message === undefined) return undefined;
  const port = message.whole('port_value', 0, 65_535);
  const hostname = message.name('hostname');
  const isDisabled = message.flag('disable_active_health_check') === true;
  if (message.has('address')) {
    message.message('address')?.markRead();
    message.note('address', 'is not asked: the health of an endpoint is asked at its own address');
  }
  if (!port && hostname === undefined && !isDisabled) return undefined;
  return { ...(port && { port }), ...(hostname !== undefined && { hostname }), ...(isDisabled && { isDisabled }) };
}

function commonFrom(message: Message): Common {
  message.skip('always_log_health_check_failures', 'always_log_health_check_success'); // each change is an event
  for (const name of ['event_log_path', 'event_service', 'event_logger'])
    if (message.has(name)) {
      message.raw(name);
      message.note(name, 'is not written; changes of health are events on meshfetch:health-check:changed');
    }
  if (message.has('alt_port')) message.note('alt_port', 'has no effect in Envoy either; health_check_config of an endpoint has');
  const alpn = message.message('tls_options')?.texts('alpn_protocols') ?? [];
  const tlsMatch = structFrom(message, 'transport_socket_match_criteria');
  return {
    timeoutMs: requiredMs(message, 'timeout'),
    intervalMs: requiredMs(message, 'interval'),
    unhealthyThreshold: thresholdFrom(message, 'unhealthy_threshold'),
    healthyThreshold: thresholdFrom(message, 'healthy_threshold'),
    ...optionalMs(message, 'jitterMs', 'interval_jitter'),
    ...jitterPercentFrom(message),
    ...optionalMs(message, 'initialJitterMs', 'initial_jitter'),
    ...optionalMs(message, 'noTrafficIntervalMs', 'no_traffic_interval'),
    ...optionalMs(message, 'noTrafficHealthyIntervalMs', 'no_traffic_healthy_interval'),
    ...optionalMs(message, 'unhealthyIntervalMs', 'unhealthy_interval'),
    ...optionalMs(message, 'unhealthyEdgeIntervalMs', 'unhealthy_edge_interval'),
    ...optionalMs(message, 'healthyEdgeIntervalMs', 'healthy_edge_interval'),
    ...(message.flag('reuse_connection') === false && { reuseConnection: false }),
    ...(alpn.length > 0 && { alpn }),
    ...(tlsMatch !== undefined && { tlsMatch }),
  };
}

function httpFrom(probe: Message): Partial<HealthCheckConfig> {
  const host = probe.name('host');
  const method = probe.choice('method', methods) ?? 'METHOD_UNSPECIFIED';
  if (method === 'CONNECT') probe.problem('method', 'CONNECT asks for a tunnel; no answer to it says how the endpoint is');
  const codec = probe.choice('codec_client_type', codecs) ?? 'HTTP1';
  if (codec === 'HTTP3') probe.note('codec_client_type', 'HTTP/3 is not spoken; the check is made over HTTP/1.1');
  const service = probe.message('service_name_matcher');
  const serviceName = service && valueOrNote(stringMatcherFrom(service), service);
  const expectedStatuses = rangesFrom(probe, 'expected_statuses');
  const retriableStatuses = rangesFrom(probe, 'retriable_statuses');
  const send = probe.message('send');
  const sendHex = send && payloadFrom(send);
  const expectHex = probe.messages('receive').flatMap((part) => payloadFrom(part) ?? []);
  // What a check sends by itself are the host and `user-agent`, so there is nothing else to remove.
  if (probe.texts('request_headers_to_remove').some((name) => name.toLowerCase() === 'user-agent'))
    probe.note('request_headers_to_remove', 'a check says who asks; set user-agent to say something else');
  if (probe.whole('response_buffer_size') !== undefined)
    probe.note('response_buffer_size', 'the first 65536 bytes of a response are looked at');
  return {
    path: probe.text('path') ?? '/',
    protocol: codec === 'HTTP2' ? 'http2' : 'http1',
    ...(host !== undefined && { host }),
    ...(method !== 'METHOD_UNSPECIFIED' && { method }),
    ...headersFrom(probe, 'request_headers_to_add'),
    ...(expectedStatuses.length > 0 && { expectedStatuses }),
    ...(retriableStatuses.length > 0 && { retriableStatuses }),
    ...(serviceName !== undefined && { serviceName }),
    ...(sendHex !== undefined && { sendHex }),
    ...(expectHex.length > 0 && { expectHex }),
  };
}

function tcpFrom(probe: Message): Partial<HealthCheckConfig> {
  const send = probe.message('send');
  const sendHex = send && payloadFrom(send);
  const expectHex = probe.messages('receive').flatMap((part) => payloadFrom(part) ?? []);
  if (sendHex !== undefined && expectHex.length === 0)
    probe.note('send', 'without anything to receive, connecting is the whole check, as in Envoy');
  return { ...(sendHex !== undefined && { sendHex }), ...(expectHex.length > 0 && { expectHex }) };
}

function grpcFrom(probe: Message): Partial<HealthCheckConfig> {
  const service = probe.name('service_name');
  const host = probe.name('authority');
  return {
    ...(service !== undefined && { service }),
    ...(host !== undefined && { host }),
    ...headersFrom(probe, 'initial_metadata'),
  };
}

function requiredMs(message: Message, name: string): number {
  const value = message.durationMs(name);
  if (value === undefined || value === 0) message.problem(name, 'must be a duration longer than 0');
  return value ?? 1;
}

function thresholdFrom(message: Message, name: string): number {
  const value = message.whole(name, 1);
  if (value === undefined && !message.has(name)) message.problem(name, 'must be at least 1');
  return value ?? 1;
}

/** A duration that may be absent; 0 says nothing, since Envoy takes none for any of them. */
function optionalMs<K extends keyof HealthCheckConfig>(message: Message, key: K, name: string): { readonly [P in K]?: number } {
  const value = message.durationMs(name);
  return value === undefined || value === 0 ? {} : ({ [key]: value } as { readonly [P in K]?: number });
}

function jitterPercentFrom(message: Message): { readonly jitterPercent?: number } {
  const percent = message.whole('interval_jitter_percent');
  if (percent === undefined || percent === 0) return {};
  if (percent > 100) message.note('interval_jitter_percent', `${percent} counts as 100`);
  return { jitterPercent: Math.min(percent, 100) };
}

function rangesFrom(probe: Message, name: string): readonly { readonly start: number; readonly end: number }[] {
  return probe.messages(name).map((range) => {
    const start = range.whole('start', 100, 599);
    const end = range.whole('end', 101, 600);
    for (const key of ['start', 'end']) if (!range.has(key)) range.problem(key, 'must be a status from 100 to 600');
    if (start !== undefined && end !== undefined && start >= end)
      range.problem('end', `must be above the start, ${start}: the end is not part of the range`);
    return { start: start ?? 200, end: end ?? 201 };
  });
}

/** The bytes of a `Payload` in hexadecimal. */
function payloadFrom(payload: Message): string | undefined {
  const kind = payload.oneOf('text', 'binary');
  if (kind === 'binary') {
    const hex = Buffer.from(payload.text('binary') ?? '', 'base64').toString('hex');
    return hex === '' ? undefined : hex;
  }
  const hex = payload.text('text') ?? '';
  if (/^(?:[\da-f]{2})+$/i.test(hex)) return hex.toLowerCase();
  payload.problem('text', 'must be bytes in hexadecimal, such as "50494e47"');
  return undefined;
}

/** Headers of the check; of several values for one name the last stands, unless they are to be appended. */
function headersFrom(probe: Message, name: string): { readonly headers?: Readonly<Record<string, string>> } {
  const additions = additionsFrom(probe.messages(name), {});
  if (additions === undefined) return {};
  const headers: Record<string, string> = {};
  for (const [key, value] of [...(additions.setIfAbsent ?? []), ...(additions.set ?? [])]) headers[key.toLowerCase()] = value;
  for (const [key, value] of additions.add ?? []) {
    const before = headers[key.toLowerCase()];
    headers[key.toLowerCase()] = before === undefined ? value : `${before}, ${value}`;
  }
  for (const [key] of additions.setIfPresent ?? [])
    probe.findings.note(`${probe.at(name)}.${key}`, 'no check has this header, so none is overwritten');
  return { headers };
}
