import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An instance of a service: it answers with its name, and with what it was asked. */
export interface Echo {
  readonly name: string;
  readonly port: number;
  /** Headers of the requests that reached it. */
  readonly requests: readonly IncomingHttpHeaders[];
  /** How it answers instead; undefined = as usual. */
  answer: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  stop(): Promise<void>;
}

/** What an instance answers. */
export interface Echoed {
  readonly name: string;
  readonly url: string;
  readonly host: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Starts one. */
export async function startEcho(name: string): Promise<Echo> {
  const requests: IncomingHttpHeaders[] = [];
  const server = createServer((request, response) => {
    const { url, headers } = request;
    requests.push(headers);
    if (echo.answer !== undefined) echo.answer(request, response);
    else response.end(JSON.stringify({ name, url, host: headers.host, headers }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const echo: Echo = {
    name,
    port: (server.address() as AddressInfo).port,
    requests,
    answer: undefined,
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return echo;
}

/** Asks so often, so many at a time, and counts who answered: by the name of the instance, or by the status where it is no 200. */
export async function tally(
  fetch: typeof globalThis.fetch,
  url: string,
  requests: number,
  concurrency = 10,
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  let left = requests;
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const response = await fetch(url);
      const text = await response.text();
      const who = response.status === 200 ? (JSON.parse(text) as Echoed).name : String(response.status);
      counts[who] = (counts[who] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return counts;
}
