/** What is told about requests that come in: tracing, access logs, metadata of the peer. */
import type { Fraction } from '../../../../model/match.ts';
import type { AccessLogConfig, LabelValue, TelemetryConfig } from '../../../../model/telemetry.ts';
import type { Message } from '../message.ts';

/** Reads `tracing` and `access_log` of a connection manager. */
export function telemetryFrom(manager: Message, peerMetadata: TelemetryConfig['peerMetadata']): TelemetryConfig | undefined {
  const tracing = manager.message('tracing');
  const accessLogs = manager.messages('access_log').flatMap((log) => accessLogFrom(log) ?? []);
  const telemetry: TelemetryConfig = {
    ...(tracing !== undefined && tracingFrom(tracing)),
    ...(accessLogs.length > 0 && { accessLogs }),
    ...(peerMetadata !== undefined && { peerMetadata }),
  };
  return Object.keys(telemetry).length > 0 ? telemetry : undefined;
}

function tracingFrom(message: Message): TelemetryConfig {
  const client = shareFrom(message, 'client_sampling');
  const traceSampling = shareFrom(message, 'random_sampling');
  const overall = shareFrom(message, 'overall_sampling');
  const traceTags: Record<string, LabelValue> = {};
  for (const tag of message.messages('custom_tags')) {
    const value = tagValue(tag);
    if (value !== undefined) traceTags[tag.text('tag') ?? ''] = value;
  }
  message.skip('verbose', 'max_path_tag_length', 'spawn_upstream_span');
  if (message.has('provider')) {
    message.message('provider')?.markRead();
    message.note('provider', 'spans go to the OpenTelemetry SDK of the process');
  }
  return {
    ...(traceSampling !== undefined && { traceSampling }),
    ...((client !== undefined || overall !== undefined) && {
      traceLimits: { ...(client !== undefined && { client }), ...(overall !== undefined && { overall }) },
    }),
    ...(Object.keys(traceTags).length > 0 && { traceTags }),
  };
}

/** A `Percent`, as a share. */
function shareFrom(message: Message, name: string): Fraction | undefined {
  const percent = message.message(name)?.number('value');
  if (percent === undefined) return undefined;
  if (percent < 0 || percent > 100) message.problem(name, `must be a share from 0 to 100, not ${percent}`);
  const denominator = Number.isInteger(percent) ? 100 : 1_000_000;
  return { numerator: Math.round(Math.min(100, Math.max(0, percent)) * (denominator / 100)), denominator };
}

function tagValue(tag: Message): LabelValue | undefined {
  tag.skip('tag');
  const literal = tag.message('literal');
  if (literal !== undefined) return literal.text('value') ?? '';
  const header = tag.message('request_header');
  if (header !== undefined) {
    const fallback = header.name('default_value');
    return { header: (header.text('name') ?? '').toLowerCase(), ...(fallback !== undefined && { default: fallback }) };
  }
  for (const kind of ['environment', 'metadata', 'value'])
    if (tag.has(kind)) {
      tag.message(kind)?.markRead();
      tag.note(kind, 'is not known to the mesh, so that the tag is left out');
    }
  return undefined;
}

function accessLogFrom(log: Message): AccessLogConfig | undefined {
  const name = log.text('name') ?? '';
  const config = log.any('typed_config');
  const to = ({ '/dev/stdout': 'stdout', '/dev/stderr': 'stderr' } as const)[config?.message.text('path') ?? ''];
  if (config === undefined || to === undefined) {
    config?.message.markRead();
    log.message('filter')?.markRead();
    log.findings.note(log.path, `the access log ${name} is not written: only /dev/stdout and /dev/stderr are`);
    return undefined;
  }
  if (log.has('filter')) {
    log.message('filter')?.markRead();
    log.note('filter', 'every request is logged');
  }
  const format = config.message.message('log_format');
  const json = format?.raw('json_format');
  const text =
    format?.message('text_format_source')?.name('inline_string') ?? format?.name('text_format') ?? config.message.name('format');
  format?.skip('omit_empty_values', 'content_type', 'formatters');
  if (isTextMap(json)) return { format: 'json', to, template: json };
  if (json !== undefined) format!.note('json_format', 'nested values are not written; the default line is');
  return { format: 'text', to, ...(text !== undefined && { template: text }) };
}

function isTextMap(value: unknown): value is Readonly<Record<string, string>> {
  return typeof value === 'object' && value !== null && Object.values(value).every((each) => typeof each === 'string');
}

/** Reads the configuration of Istio's exchange of metadata (`io.istio.http.peer_metadata.Config`). */
export function peerMetadataFrom(message: Message): NonNullable<TelemetryConfig['peerMetadata']> {
  const discover = message.messages('downstream_discovery').flatMap((way): ('headers' | 'workloads')[] => {
    const kind = way.oneOf('istio_headers', 'workload_discovery', 'propagate', 'filter_state', 'baggage');
    if (kind !== undefined) way.message(kind)?.markRead();
    return kind === 'istio_headers' ? ['headers'] : kind === 'workload_discovery' ? ['workloads'] : [];
  });
  const propagate = message.messages('downstream_propagation').some((way) => {
    const isHeaders = way.has('istio_headers');
    way.message('istio_headers')?.markRead();
    return isHeaders;
  });
  message.skip('upstream_discovery', 'upstream_propagation', 'shared_with_upstream', 'additional_labels');
  return { discover, propagate };
}
