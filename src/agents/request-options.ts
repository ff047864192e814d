/** What http.request was told beside the request itself: where it goes, and what a mesh cannot do for it. */
import { isIPv6 } from 'node:net';
import { MeshError } from '../base/errors.ts';
import { ownTrustOf } from '../base/own-trust.ts';
import { invalidRequest } from './request-head.ts';

/** Options of http.request as an agent gets them. */
export interface AgentRequestOptions {
  readonly host?: string | null | undefined;
  readonly port?: number | string | null | undefined;
  readonly socketPath?: string | undefined;
  readonly [name: string]: unknown;
}

/** Why the request cannot go through a mesh; undefined = it can. */
export function refusalOf(options: AgentRequestOptions, isSecure: boolean): MeshError | undefined {
  if (options.socketPath !== undefined && options.socketPath !== null)
    return new MeshError('MESH_REQUEST_INVALID', `a mesh has no way to the socket "${options.socketPath}"`, {
      remedy: 'Give requests to `socketPath` an agent of node:http.',
    });
  // A mesh has its own, and to pass over them in silence would be no service.
  const name = isSecure ? ownTrustOf(options) : undefined;
  if (name === undefined) return undefined;
  return new MeshError('MESH_REQUEST_INVALID', `the option "${name}" of a request cannot be honoured: TLS is the mesh's`, {
    remedy: `Leave "${name}" out, and set \`tls\` of the service in the mesh; or give the request an agent of node:https.`,
  });
}

let lastHost = '';
let lastPort = 0;
let lastSecure = false;
let lastOrigin = '';

/** The origin that a request names. Throws MESH_REQUEST_INVALID for what is none. */
export function originOf(options: AgentRequestOptions, isSecure: boolean): string {
  const host = options.host ?? 'localhost';
  const port = Number(options.port ?? (isSecure ? 443 : 80));
  if (host === lastHost && port === lastPort && isSecure === lastSecure) return lastOrigin;
  const isAddress = isIPv6(host);
  if (!isAddress && !/^[^\s/?#@\\:[\]]+$/.test(host)) throw invalidRequest(`"${host}" is no host`);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw invalidRequest(`${String(options.port)} is no port`);
  lastOrigin = `${isSecure ? 'https' : 'http'}://${isAddress ? `[${host}]` : host}:${port}`;
  lastHost = host;
  lastPort = port;
  lastSecure = isSecure;
  return lastOrigin;
}
