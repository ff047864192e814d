/** A request through the real Envoy, and what it says of it in its access log. */
import { Agent, request, type IncomingMessage } from 'node:http';
import type { EnvoyProcess } from '../live/envoy/envoy-process.ts';
import type { AccessLogLine } from './envoy-resources.ts';
import { sortedFlags, type Observation } from './observation.ts';
import { idHeader, type Upstreams } from './upstreams.ts';

/** A request as both sides get it. */
export interface OracleRequest {
  readonly id: string;
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bodyBytes: number;
  readonly abortAfterMs: number | undefined;
}

/** Waits for what the access log says of each request. */
export class AccessLog {
  private readonly lines = new Map<string, AccessLogLine>();
  private readonly waiting = new Map<string, (line: AccessLogLine) => void>();

  add(text: string): void {
    const line = JSON.parse(text) as AccessLogLine;
    // Another line follows, for the stream that it was redirected to.
    if (line.details === 'internal_redirect') return;
    this.lines.set(line.id, line);
    this.waiting.get(line.id)?.(line);
  }

  /** Rejects when Envoy does not mention the request within 5 s. */
  lineOf(id: string): Promise<AccessLogLine> {
    const line = this.lines.get(id);
    if (line !== undefined) return Promise.resolve(line);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`the access log does not mention ${id}`)), 5000);
      this.waiting.set(id, (found) => {
        clearTimeout(timer);
        resolve(found);
      });
    });
  }
}

const agent = new Agent({ keepAlive: true });

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly body: string;
  readonly isComplete: boolean;
}

/** Sends a request through the listener. Resolves when the answer is here; what the access log says comes a little later. */
export async function askEnvoy(
  envoy: EnvoyProcess,
  listener: string,
  log: AccessLog,
  upstreams: Upstreams,
  asked: OracleRequest,
): Promise<() => Promise<Observation>> {
  const startMs = performance.now();
  const answer = await exchange(envoy.ports.get(listener)!, asked);
  const elapsedMs = performance.now() - startMs;
  return async () => {
    const line = await log.lineOf(asked.id);
    return {
      ...answer,
      flags: sortedFlags(line.flags),
      tries: Number(line.attempts),
      arrivals: upstreams.arrivals(asked.id),
      elapsedMs,
      grpcStatus: answer.headers?.['grpc-status'],
      details: line.details,
    };
  };
}

function exchange(port: number, { id, method, host, path, headers, bodyBytes, abortAfterMs }: OracleRequest): Promise<Answer> {
  return new Promise((resolve) => {
    const sent = request({
      host: '127.0.0.1',
      port,
      agent,
      method,
      path,
      setHost: false,
      headers: { host, ...headers, [idHeader]: id, ...(bodyBytes > 0 && { 'content-length': bodyBytes }) },
    });
    const timer = abortAfterMs === undefined ? undefined : setTimeout(() => sent.destroy(), abortAfterMs);
    const settle = (answer: Answer): void => {
      clearTimeout(timer);
      resolve(answer);
    };
    sent.on('error', () => settle({ status: 0, headers: undefined, body: '', isComplete: false }));
    sent.on('response', (response: IncomingMessage) => {
      let body = '';
      const end = (): void =>
        settle({
          status: response.statusCode ?? 0,
          headers: joined(response.headersDistinct),
          body,
          isComplete: response.complete,
        });
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (body += chunk));
      response.on('end', end);
      response.on('error', end);
    });
    sent.end(bodyBytes > 0 ? Buffer.alloc(bodyBytes, 0x78) : undefined);
  });
}

/** Values of a repeated header joined by `,`. */
export function joined(headers: NodeJS.Dict<string | string[]>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), Array.isArray(value) ? value.join(',') : (value ?? '')]),
  );
}
