import { isIP } from 'node:net';

/** Where the Workload API is, as gRPC takes it, and as people say it. */
export interface WorkloadEndpoint {
  /** `unix:/run/spire/agent.sock` or `127.0.0.1:8081`. */
  readonly address: string;
  readonly text: string;
}

/** Where the endpoint is said, when no option says it. Source: SPIFFE Workload Endpoint standard, section 4. */
export const endpointVariable = 'SPIFFE_ENDPOINT_SOCKET';

/**
 * Reads `unix:///path` or `tcp://address:port`. Throws a TypeError that names `from` (an option or the variable) and what is wrong.
 * Source: SPIFFE Workload Endpoint standard, section 4.
 */
export function readEndpoint(text: string, from: string): WorkloadEndpoint {
  const refuse = (reason: string): TypeError =>
    new TypeError(`${from} is ${JSON.stringify(text)}: ${reason}; give unix:///path/of/the/socket or tcp://127.0.0.1:8081`);
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)?.[1];
  if (scheme === undefined) throw refuse('it is no URL');
  if (/[?#]/.test(text)) throw refuse('it has a query or a fragment');
  if (scheme === 'unix') {
    // unix:/path and unix:///path; what stands between two and three slashes would be a host.
    const path = /^unix:(?:\/\/)?(\/[^/].*)$/.exec(text)?.[1];
    if (path === undefined) throw refuse('a unix socket is named by an absolute path and no host');
    return { address: `unix:${path}`, text };
  }
  if (scheme !== 'tcp') throw refuse(`the scheme is ${JSON.stringify(scheme)}, not unix or tcp`);
  const parts = /^tcp:\/\/(?:\[([^\]]+)\]|([^:/[\]]+)):(\d{1,5})$/.exec(text);
  const host = parts?.[1] ?? parts?.[2];
  if (host === undefined) throw refuse('after tcp:// comes an address with a port, and nothing more');
  if (isIP(host) === 0) throw refuse('the host is not an IP address');
  const port = Number(parts![3]);
  if (port < 1 || port > 65_535) throw refuse('the port is not from 1 to 65535');
  return { address: isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`, text };
}
