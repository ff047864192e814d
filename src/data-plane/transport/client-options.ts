import type { Client } from 'undici';
import type { Http2Config } from '../../model/cluster.ts';
import type { HostConnectionsOptions } from './connection.ts';

/** What the Clients of undici that make up a stack have in common. */
export function clientOptionsOf(
  { allowH2, idleTimeoutMs, http2 }: Pick<HostConnectionsOptions, 'allowH2' | 'idleTimeoutMs' | 'http2'>,
  maxStreams: number,
): Client.Options {
  return {
    allowH2,
    // undici ends what is silent for 300 s, streams that wait for their next message included. Times are the policy's to set; without
    // one a request may take as long as it likes, and what its caller asks for itself still holds.
    headersTimeout: 0,
    bodyTimeout: 0,
    h2Options: h2OptionsOf(http2, maxStreams),
    pipelining: 1,
    keepAliveTimeout: idleTimeoutMs,
    // A longer `Keep-Alive: timeout` of the peer does not lengthen it.
    keepAliveMaxTimeout: idleTimeoutMs,
  };
}

/**
 * undici pings once a minute unless told not to, and waits for no answer: a gRPC server that is asked more than once in five minutes while
 * it has nothing to say closes the connection (gRFC A8, `too_many_pings`), and so ends an idle stream. The window of a stream has another
 * place in its types than in its code (8.12, lib/dispatcher/client.js, the constructor).
 */
function h2OptionsOf(config: Http2Config | undefined, maxStreams: number): Client.H2Options {
  const options: Client.H2Options & { initialWindowSize?: number } = { pingInterval: 0, maxConcurrentStreams: maxStreams };
  if (config?.initialStreamWindowBytes !== undefined) options.initialWindowSize = config.initialStreamWindowBytes;
  if (config?.initialConnectionWindowBytes !== undefined) options.connectionWindowSize = config.initialConnectionWindowBytes;
  return options;
}
