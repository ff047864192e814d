import { MeshError } from '../base/errors.ts';
import type { CompiledVirtualHost } from './routing/compiled-route.ts';

/** An origin that requests name, resolved. Made once per origin and configuration. */
export interface OriginEntry {
  readonly origin: string;
  readonly scheme: 'http' | 'https';
  /** Without the dot at its end. */
  readonly host: string;
  readonly port: number;
  /** As in the Host header: without the default port. */
  readonly authority: string;
  /** Undefined when no source knows the host. */
  readonly virtualHost: CompiledVirtualHost | undefined;
  /** No control plane knows the host, and DNS is asked: it may be outside of the mesh. */
  readonly isLastResort: boolean;
  /** Nobody else has the host, and this source failed before it could say: nobody may guess that it is outside of the mesh. */
  readonly failedSource?: string;
}

/** What a URL says of an origin. */
export type ParsedOrigin = Omit<OriginEntry, 'virtualHost' | 'isLastResort' | 'failedSource'>;

/** The host as the URL has it, its last dot included. */
export function writtenHost({ origin, host }: ParsedOrigin): string {
  return URL.parse(origin)?.hostname ?? host;
}

/** The parts of an origin. Throws MESH_REQUEST_INVALID for what is no HTTP origin. */
export function parseOrigin(origin: string): ParsedOrigin {
  const url = URL.parse(origin);
  if (
    url === null ||
    (url.protocol !== 'http:' && url.protocol !== 'https:' && url.protocol !== 'ws:' && url.protocol !== 'wss:')
  ) {
    throw new MeshError(
      'MESH_REQUEST_INVALID',
      `"${origin}" is not an http or https origin; write http://service or https://service`,
    );
  }
  const scheme = url.protocol === 'https:' || url.protocol === 'wss:' ? 'https' : 'http';
  const host = url.hostname.endsWith('.') ? url.hostname.slice(0, -1) : url.hostname;
  const port = url.port === '' ? (scheme === 'https' ? 443 : 80) : Number(url.port);
  return { origin: `${scheme}://${url.host}`, scheme, host, port, authority: url.host };
}
