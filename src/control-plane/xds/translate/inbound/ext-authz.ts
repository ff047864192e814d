/** Services that are asked whether a request may go on (`filters.http.ext_authz`, `filters.network.ext_authz`). */
import type { ExternalAuthorizerConfig } from '../../../../model/authorization.ts';
import type { StringMatcher } from '../../../../model/match.ts';
import type { HeaderMutation } from '../../../../model/policy.ts';
import { httpStatusFrom } from '../http-status-code.ts';
import type { Message } from '../message.ts';
import { runtimeFractionFrom, stringMatcherFrom, valueOrNote } from '../string-matcher.ts';

/** An authorizer and the requests that it is asked about. */
export interface ReadAuthorizer {
  /** Undefined = cannot be asked: every request is refused. `'off'` = switched off. */
  readonly config: ExternalAuthorizerConfig | undefined | 'off';
  /** Only where shadow rules noted, under this key, a rule with such a name; absent = about every request. */
  readonly askedBy?: { readonly key: string; readonly rule: StringMatcher };
}

/** Envoy's timeout of a check. */
const defaultTimeoutMs = 200;

/** Reads an `ExtAuthz`. */
export function authorizerFrom(message: Message): ReadAuthorizer {
  message.skip(
    'transport_api_version',
    'stat_prefix',
    'clear_route_cache',
    'bootstrap_metadata_labels_key',
    'charge_cluster_response_stats',
  );
  const asked = askedByFrom(message);
  const enabled = message.message('filter_enabled');
  const share = enabled && runtimeFractionFrom(enabled);
  if (share !== undefined && share.numerator === 0) {
    message.markRead();
    return { config: 'off' };
  }
  if (share !== undefined && share.numerator < share.denominator)
    message.note('filter_enabled', 'a share of the requests is not chosen: it is asked about all of them');
  const kind = message.oneOf('grpc_service', 'http_service');
  const service = kind === undefined ? undefined : message.message(kind);
  const target = service && (kind === 'grpc_service' ? grpcTarget(service) : httpTarget(service));
  if (service === undefined) message.problem('grpc_service', 'must be there, or http_service');
  const body = message.message('with_request_body');
  const maxBodyBytes = body?.whole('max_request_bytes', 1);
  const allowPartialBody = body?.flag('allow_partial_message') === true;
  body?.skip('pack_as_bytes');
  const code = httpStatusFrom(message.message('status_on_error'));
  const allowed = patternsFrom(message.message('allowed_headers'));
  const failOpen = message.flag('failure_mode_allow') === true;
  if (target === undefined) return { config: undefined, ...asked };
  const { requestHeaders = allowed, ...rest } = target;
  return {
    config: {
      ...rest,
      name: providerName(asked?.askedBy.rule) ?? target.cluster,
      failOpen,
      ...(code !== undefined && { statusOnError: code }),
      ...(requestHeaders !== undefined && { requestHeaders }),
      ...(maxBodyBytes !== undefined && { maxBodyBytes }),
      ...(allowPartialBody && { allowPartialBody }),
    },
    ...asked,
  };
}

/** Istio names its rules after the provider: `istio-ext-authz-<provider>`. */
function providerName(rule: StringMatcher | undefined): string | undefined {
  return rule?.kind === 'prefix' ? /^istio-ext-authz-(.+)$/.exec(rule.value)?.[1] : undefined;
}

type Target = Omit<ExternalAuthorizerConfig, 'name' | 'failOpen'>;

function grpcTarget(service: Message): Target | undefined {
  const timeoutMs = service.durationMs('timeout') ?? defaultTimeoutMs;
  const envoy = service.message('envoy_grpc');
  const cluster = envoy?.name('cluster_name');
  envoy?.skip('authority', 'retry_policy', 'max_receive_message_length', 'skip_envoy_headers');
  const metadata = service.messages('initial_metadata').flatMap((header): [string, string][] => {
    const key = header.name('key');
    return key === undefined ? [] : [[key, header.text('value') ?? '']];
  });
  if (cluster === undefined) {
    service.message('google_grpc')?.markRead();
    service.findings.note(service.path, 'only a cluster can be asked (envoy_grpc), so that every request is refused');
    return undefined;
  }
  return { protocol: 'grpc', cluster, timeoutMs, ...(metadata.length > 0 && { checkHeaders: { add: metadata } }) };
}

function httpTarget(service: Message): Target | undefined {
  const uri = service.message('server_uri');
  const cluster = uri?.name('cluster');
  const timeoutMs = uri?.durationMs('timeout') ?? defaultTimeoutMs;
  uri?.skip('uri');
  const pathPrefix = service.name('path_prefix');
  const request = service.message('authorization_request');
  const response = service.message('authorization_response');
  const checkHeaders = addedHeaders(request?.messages('headers_to_add') ?? []);
  const requestHeaders = patternsFrom(request?.message('allowed_headers'));
  const takenHeaders = patternsFrom(response?.message('allowed_upstream_headers'));
  const appendedHeaders = patternsFrom(response?.message('allowed_upstream_headers_to_append'));
  const refusalHeaders = patternsFrom(response?.message('allowed_client_headers'));
  const responseHeaders = patternsFrom(response?.message('allowed_client_headers_on_success'));
  if (cluster === undefined) {
    service.problem('server_uri', 'must name a cluster');
    return undefined;
  }
  return {
    protocol: 'http',
    cluster,
    timeoutMs,
    ...(pathPrefix !== undefined && { pathPrefix }),
    ...(checkHeaders !== undefined && { checkHeaders }),
    ...(requestHeaders !== undefined && { requestHeaders }),
    ...(takenHeaders !== undefined && { takenHeaders }),
    ...(appendedHeaders !== undefined && { appendedHeaders }),
    ...(refusalHeaders !== undefined && { refusalHeaders }),
    ...(responseHeaders !== undefined && { responseHeaders }),
  };
}

/** Headers of the check itself; one of the same name that the request has is replaced. */
function addedHeaders(headers: readonly Message[]): HeaderMutation | undefined {
  const set = headers.map((header) => [header.text('key') ?? '', header.text('value') ?? ''] as const);
  return set.length === 0 ? undefined : { set };
}

/** Reads a `ListStringMatcher`. One that cannot be said is left out: it would show a header, or take it over. */
function patternsFrom(list: Message | undefined): readonly StringMatcher[] | undefined {
  return list?.messages('patterns').flatMap((pattern) => valueOrNote(stringMatcherFrom(pattern), pattern) ?? []);
}

/** Only tests of the rule that shadow rules noted are carried out; with any other it is asked about every request. */
function askedByFrom(message: Message): { readonly askedBy: NonNullable<ReadAuthorizer['askedBy']> } | undefined {
  const metadata = message.message('filter_enabled_metadata');
  if (metadata === undefined) return undefined;
  const filter = metadata.text('filter') ?? '';
  const [key, ...more] = metadata.messages('path').map((segment) => segment.text('key') ?? '');
  const test = metadata.message('value')?.message('string_match');
  const said = test && stringMatcherFrom(test);
  const isRule = /^envoy\.filters\.(http|network)\.rbac/.test(filter) && key !== undefined && more.length === 0;
  if (isRule && said !== undefined && 'value' in said && metadata.flag('invert') !== true)
    return { askedBy: { key, rule: said.value } };
  metadata.markRead();
  message.note('filter_enabled_metadata', 'this condition is not evaluated: it is asked about every request');
  return undefined;
}
