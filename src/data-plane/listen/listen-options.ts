/** What a port is opened with, and what comes of it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants } from 'node:os';
import type { Duplex } from 'node:stream';
import { suggestion } from '../../base/nearest-name.ts';
import type { InboundDoorOptions } from '../../model/inbound.ts';
import type { InboundLimitsConfig, InboundListenerConfig } from '../../model/listener.ts';
import type { SecretRef } from '../../model/tls.ts';
import { compileAddressRange } from '../inbound/address-range.ts';

/** What serves requests: a listener of `node:http`, an Express app, `fastify.routing`, `getRequestListener` of Hono. */
export type RequestListener = (request: IncomingMessage, response: ServerResponse) => unknown;

/** What `mesh.listen` takes. How paths are compared (`ignorePathCase`, `ignoreTrailingSlash`) it sees of an Express app by itself. */
export interface ListenOptions extends Omit<InboundDoorOptions, 'port'> {
  /** To be bound; 0 = any that is free. */
  readonly port: number;
  /** Default: every address of this machine, IPv6 and IPv4. */
  readonly host?: string;
  /** Port whose policy holds, where that is another one: a Service that maps 80 to 8080 has its policy at 8080. Default: the bound one. */
  readonly policyPort?: number;
  /** Name of the certificate that is shown where the policy names none. Default `default`. */
  readonly identity?: SecretRef;
  /** Name of the trust bundle that clients are verified against. Default: that of `identity`. */
  readonly trust?: SecretRef;
  /**
   * What handlers get for HTTP/2: `bridge` = objects of the classes of HTTP/1.1, which every framework takes (default); `native` = those
   * of `node:http2`, for handlers that use what HTTP/2 alone has.
   */
  readonly http2?: 'bridge' | 'native';
  /** Path that the mesh answers itself, in plaintext under any mode: 200 while requests are taken, 503 while the port drains. */
  readonly readyPath?: string;
  /**
   * Paths that are served in plaintext under `strict` too, without authorization: to GET and HEAD (probes, scrapes), and methods of
   * `grpc.health.v1.Health`.
   */
  readonly plaintextPaths?: readonly string[];
  /** How long `close()` lets requests finish. Default: that of the mesh. */
  readonly drainTimeoutMs?: number;
  /** How long `readyPath` says 503 before anything is closed, for load balancers to notice. Part of `drainTimeoutMs`. Default 0. */
  readonly drainDelayMs?: number;
  /**
   * Signals that close the port, at once when one comes again. When nobody else listens to the signal it is sent again after that, so
   * that the process ends by it. Default none.
   */
  readonly signals?: readonly NodeJS.Signals[];
  /** Takes connections that leave HTTP (WebSocket); the policy has let them in. Default: upgrades are not offered. */
  readonly upgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** Stand before those of the policy. */
  readonly limits?: InboundLimitsConfig;
  /** Stands before that of the policy. */
  readonly proxyProtocol?: NonNullable<InboundListenerConfig['proxyProtocol']>;
}

/** A port that is open. */
export interface InboundServer extends AsyncDisposable {
  /** The one that was bound. */
  readonly port: number;
  readonly address: string;
  /**
   * Says that it is not ready, takes no more connections, asks those that are open to leave, lets requests finish, and cuts what is left
   * after `drainTimeoutMs`.
   */
  close(): Promise<void>;
}

const optionNames: readonly string[] = [
  'port',
  'host',
  'policyPort',
  'mode',
  'policyMissing',
  'identity',
  'trust',
  'http2',
  'readyPath',
  'plaintextPaths',
  'drainTimeoutMs',
  'drainDelayMs',
  'signals',
  'upgrade',
  'limits',
  'proxyProtocol',
  'ignorePathCase',
  'ignoreTrailingSlash',
] satisfies (keyof ListenOptions)[];

/** Throws a TypeError or RangeError that names the option. */
export function checkListenOptions(handler: unknown, options: ListenOptions): void {
  if (typeof handler !== 'function') {
    throw new TypeError(
      'mesh.listen: the first argument must be a function of (request, response): an Express app, `fastify.routing`, a listener of node:http',
    );
  }
  if (typeof options !== 'object' || options === null)
    throw new TypeError('mesh.listen: the second argument must be { port, … }');
  const unknown = Object.keys(options).find((name) => !optionNames.includes(name));
  if (unknown !== undefined) throw new TypeError(`mesh.listen has no option "${unknown}"; ${suggestion(unknown, optionNames)}`);
  checkPort('port', options.port, 0);
  if (options.policyPort !== undefined) checkPort('policyPort', options.policyPort, 1);
  checkOneOf('mode', options.mode, ['disabled', 'permissive', 'strict']);
  checkOneOf('policyMissing', options.policyMissing, ['allow', 'deny']);
  checkOneOf('http2', options.http2, ['bridge', 'native']);
  checkDuration('drainTimeoutMs', options.drainTimeoutMs);
  checkDuration('drainDelayMs', options.drainDelayMs);
  const { signals, drainDelayMs = 0, drainTimeoutMs = Number.POSITIVE_INFINITY } = options;
  if (signals !== undefined && !(Array.isArray(signals) && signals.every((signal) => Object.hasOwn(constants.signals, signal))))
    throw new TypeError('mesh.listen: "signals" must be a list of names of signals: ["SIGTERM"]');
  if (drainDelayMs > drainTimeoutMs)
    throw new RangeError('mesh.listen: "drainDelayMs" is a part of "drainTimeoutMs" and cannot be longer');
  if (options.readyPath !== undefined) checkPath('readyPath', options.readyPath);
  for (const path of options.plaintextPaths ?? []) checkPath('plaintextPaths', path);
  for (const cidr of options.proxyProtocol?.from ?? []) compileAddressRange(cidr);
  if (options.upgrade !== undefined && typeof options.upgrade !== 'function')
    throw new TypeError('mesh.listen: "upgrade" must be a function of (request, socket, head)');
  if (options.host !== undefined && (typeof options.host !== 'string' || options.host === ''))
    throw new TypeError('mesh.listen: "host" must be an address or a host name');
  for (const [name, value] of Object.entries(options.limits ?? {})) {
    if (typeof value !== 'number' || !(value >= 0) || Number.isNaN(value))
      throw new RangeError(`mesh.listen: "limits.${name}" must be a number from 0 on`);
  }
}

function checkPort(name: string, value: unknown, from: 0 | 1): void {
  if (!Number.isInteger(value) || (value as number) < from || (value as number) > 65_535)
    throw new RangeError(`mesh.listen: "${name}" must be a whole number from ${from} to 65535`);
}

function checkOneOf(name: string, value: unknown, words: readonly string[]): void {
  if (value !== undefined && !words.includes(value as string))
    throw new TypeError(`mesh.listen: "${name}" must be one of ${words.map((word) => `"${word}"`).join(', ')}`);
}

function checkDuration(name: string, value: unknown): void {
  if (value !== undefined && !(typeof value === 'number' && value >= 0 && value <= 86_400_000))
    throw new RangeError(`mesh.listen: "${name}" must be milliseconds from 0 to a day`);
}

function checkPath(name: string, value: unknown): void {
  if (typeof value !== 'string' || !/^\/[^?#\s]*$/.test(value))
    throw new TypeError(`mesh.listen: "${name}" must be a path such as "/healthz", without a query`);
}
