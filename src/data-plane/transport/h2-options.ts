import type { Client } from 'undici';
import type { Http2Config } from '../../model/cluster.ts';

/**
 * What undici is told of HTTP/2. It pings once a minute unless told not to, and waits for no answer: a gRPC server that is asked more than
 * once in five minutes while it has nothing to say closes the connection (gRFC A8, `too_many_pings`), and so ends an idle stream. The window
 * of a stream has another place in its types than in its code (8.12, lib/dispatcher/client.js, the constructor).
 */
export function h2OptionsOf(config: Http2Config | undefined, maxStreams: number): Client.H2Options {
  const options: Client.H2Options & { initialWindowSize?: number } = { pingInterval: 0, maxConcurrentStreams: maxStreams };
  if (config?.initialStreamWindowBytes !== undefined) options.initialWindowSize = config.initialStreamWindowBytes;
  if (config?.initialConnectionWindowBytes !== undefined) options.connectionWindowSize = config.initialConnectionWindowBytes;
  return options;
}
