/**
 * Envoy's command operators (`%…%`) in the values of headers. The model's values are literal, so an operator is resolved where its
 * value is known before any request: who and where this process is, and what the configuration itself says. A proxy in front of a
 * program sees it under a loopback address; so do the operators for the address of the caller here. Others are reported, and the
 * header is left out. Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage.
 */
import type { FilterName, InboundFilters } from './http-filters.ts';
import type { Metadata, MetadataValue } from '../../../model/tls.ts';

/** What is known where a value stands. */
export interface Surroundings {
  readonly hostname?: string | undefined;
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
  /** Only inside of a route: `%ROUTE_NAME%`. */
  readonly routeName?: string | undefined;
  /** Only inside of a route: `%METADATA(ROUTE:…)%`. */
  readonly routeMetadata?: Metadata | undefined;
  /** The filters of the connection manager, where they are known. */
  readonly filters?: ReadonlySet<FilterName> | undefined;
  /** Set on the way in: the filters that mean something there alone. */
  readonly inbound?: InboundFilters | undefined;
}

const operator = /%(?:%|([A-Z_0-9]+)(?:\(([^)]*)\))?(?::(\d+))?%)/g;

/** The text with its operators resolved. */
export type LiteralText =
  | { readonly text: string }
  /** An operator whose value is not known here. */
  | { readonly unknown: string }
  /** The text is no format. */
  | { readonly mistake: string };

/** Resolves the operators of a text. */
export function literalText(written: string, surroundings: Surroundings): LiteralText {
  if (!written.includes('%')) return { text: written };
  if (written.replace(operator, '').includes('%')) return { mistake: 'has a single %; write %% for the sign itself' };
  const unknown: string[] = [];
  const text = written.replace(operator, (whole, name?: string, argument?: string, limit?: string) => {
    if (name === undefined) return '%';
    const value = valueOf(name, argument, surroundings);
    if (value === undefined) unknown.push(whole);
    return limit === undefined ? (value ?? '') : (value ?? '').slice(0, Number(limit));
  });
  if (unknown.length === 0) return { text };
  return { unknown: `${unknown.join(', ')} is not known to a client before the request, so the header is left out` };
}

function valueOf(name: string, argument: string | undefined, surroundings: Surroundings): string | undefined {
  switch (name) {
    case 'DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT':
    case 'DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT':
    case 'DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT':
      return surroundings.inbound === undefined ? '127.0.0.1' : undefined;
    case 'HOSTNAME':
      return surroundings.hostname;
    case 'ENVIRONMENT':
      return surroundings.environment?.[argument ?? ''];
    case 'ROUTE_NAME':
      return surroundings.routeName;
    case 'METADATA':
      return metadataText(argument ?? '', surroundings.routeMetadata);
    default:
      return undefined;
  }
}

/** `ROUTE:name.space:key:key`. */
function metadataText(argument: string, metadata: Metadata | undefined): string | undefined {
  const [of, ...path] = argument.split(':');
  if (of !== 'ROUTE' || metadata === undefined) return undefined;
  let value: MetadataValue | undefined = metadata;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    value = (value as Metadata)[key];
  }
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}
