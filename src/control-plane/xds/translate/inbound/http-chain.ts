/** The HTTP filters of a way in, and what routes say of them. */
import type { FilterChainConfig } from '../../../../model/listener.ts';
import type { TelemetryConfig } from '../../../../model/telemetry.ts';
import { filterChainFrom } from '../filter-chain.ts';
import { filterOf, isHarmless } from '../filter-kinds.ts';
import type { FilterPolicy, InboundFilters } from '../http-filters.ts';
import type { Surroundings } from '../format.ts';
import type { Message } from '../message.ts';
import { Access } from './access.ts';
import { corsFrom } from './cors.ts';
import { filterEntry, type FilterEntry } from './filter-config.ts';
import { peerMetadataFrom } from './telemetry.ts';

/** What the filters of a chain do. */
export interface HttpChain {
  readonly access: Access;
  /** Fault, rate limit, header mutation. */
  readonly policy: FilterPolicy;
  readonly peerMetadata: TelemetryConfig['peerMetadata'];
  /** Reads what places below the chain say of its filters. */
  readonly perRoute: InboundFilters;
  readonly filters: Surroundings['filters'];
}

/** They change bodies, or how much is let in at a time: nobody comes in for want of them who should not. */
const noCheck =
  /filters\.http\.(compressor|decompressor|grpc_web|grpc_http1_bridge|cdn_loop|set_metadata|set_filter_state|file_system_buffer|original_src|bandwidth_limit|admission_control|adaptive_concurrency|health_check|kill_request)\b/;

const accessFilters = /filters\.(?:http|network)\.(rbac|jwt_authn|ext_authz)\b/;

/** Reads the `http_filters` of a way in. */
export function httpChainFrom(
  filters: readonly Message[],
  surroundings: Surroundings,
  extension: ((name: string) => Message | undefined) | undefined,
): HttpChain {
  const access = new Access();
  let peerMetadata: TelemetryConfig['peerMetadata'];
  const own: Message[] = [];
  for (const message of filters) {
    const entry = filterEntry(message, extension);
    if (filterOf(entry.config?.type ?? '', entry.name) !== undefined) own.push(message);
    else if (entry.isDisabled) {
      // It is on where a route has a configuration for it.
      entry.config?.message.markRead();
    } else if (isPeerMetadata(entry)) peerMetadata = peerMetadataFrom(entry.config!.message);
    else readFilter(entry, access);
  }
  const chain = filterChainFrom(own, { ...surroundings, inbound: () => false }, extension);
  return { access, policy: chain.policy, peerMetadata, perRoute: perRoute(access), filters: chain.filters };
}

function isPeerMetadata({ name, config }: FilterEntry): boolean {
  return (
    config !== undefined && (/peer_metadata/.test(config.type) || (config.type === '' && name === 'istio.metadata_exchange'))
  );
}

function readFilter({ name, message, config, isOptional }: FilterEntry, access: Access): void {
  if (config === undefined) {
    access.refuse(message, name, `the configuration of ${name} is not there yet, so that every request is refused`);
    return;
  }
  const what = config.type === '' ? name : config.type;
  switch (accessFilters.exec(what)?.[1]) {
    case 'rbac':
      access.addRules(config.message, name);
      return;
    case 'jwt_authn':
      access.addTokens(config.message, name);
      return;
    case 'ext_authz':
      access.addAuthorizer(config.message, name);
      return;
    default:
  }
  if (/filters\.http\.cors\b/.test(what)) return; // what is allowed stands at the routes
  config.message.markRead();
  if (isHarmless(config.type, name) || /^istio[._]/.test(name)) return;
  if (noCheck.test(what)) message.findings.note(message.path, `the filter ${what} is not carried out`);
  else if (isOptional)
    message.findings.note(message.path, `the filter ${what} is not carried out, and is optional: requests go on without it`);
  else access.refuse(message, name, `the filter ${what} is not carried out, so that every request is refused`);
}

/** `typed_per_filter_config` of a place: rules of its own, and origins that are allowed. */
function perRoute(access: Access): InboundFilters {
  return (name, { type, message }, policy) => {
    const what = type === '' ? name : type;
    const kind = access.kindOf(name);
    if (/filters\.http\.rbac\b/.test(what) || kind === 'rules') {
      const isOff = message.flag('disabled') === true;
      const rules = isOff ? undefined : message.message('rbac');
      policy.authorization ??= access.policiesWith(name, rules);
      return true;
    }
    if (kind !== undefined && message.flag('disabled') === true) {
      message.note('disabled', `${name} stays on: it is not switched off for a part of the requests`);
      return true;
    }
    if (/filters\.http\.cors\b/.test(what)) {
      policy.cors ??= message.flag('disabled') === true ? false : corsFrom(message);
      return true;
    }
    return false;
  };
}

/** The policies that hold for a chain as a whole. */
export function chainPolicies({ policy }: HttpChain): Pick<FilterChainConfig, 'fault' | 'rateLimit'> {
  const { fault, rateLimit } = policy;
  return {
    ...(rateLimit !== undefined && rateLimit !== false && { rateLimit }),
    ...(fault !== undefined && fault !== false && { fault }),
  };
}
