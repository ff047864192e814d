import { readFileSync } from 'node:fs';
import { MeshError } from '../../base/errors.ts';
import { PrivateKey } from '../../model/identity.ts';
import { ConsulToken, fixedToken, tokenFromFile, type TokenSource } from './token.ts';

/** Options of {@link consulControlPlane}. */
export interface ConsulOptions {
  /** `http://host:port`, or `https://` for TLS. Default `http://127.0.0.1:8500`, the local agent. */
  readonly address?: string;
  /** Name of the source in errors and `status()`. Default `consul`; two Consul sources in one mesh need two names. */
  readonly name?: string;
  /** Datacenter to ask for. Default: that of the agent. */
  readonly datacenter?: string;
  /** ACL token. Prefer `tokenFile`; default: environment variable CONSUL_HTTP_TOKEN. */
  readonly token?: string | ConsulToken;
  /** File with the ACL token, read again for every request. */
  readonly tokenFile?: string;
  /** Only instances that have all these tags. */
  readonly tags?: readonly string[];
  /** Leave out instances with a warning, like `only_passing` of Consul's DNS. Default false: they stay, with their Warning weight. */
  readonly onlyPassing?: boolean;
  /** When Consul says that a service has no instance left, keep the last ones instead of refusing requests. Default false. */
  readonly keepLastInstances?: boolean;
  /** Domain of Consul's host names. Default `consul`. */
  readonly domain?: string;
  /** Longest wait of a blocking query, 1 000 … 600 000. Default 300 000, Consul's own. */
  readonly waitMs?: number;
  /** Connections for blocking queries. Default 100: an agent allows 200 per client address (`limits.http_max_conns_per_client`). */
  readonly maxConnections?: number;
  /** TLS to the agent; needs an `https://` address. PEM files are read once. */
  readonly tls?: {
    readonly caFile?: string;
    readonly certificateFile?: string;
    readonly privateKeyFile?: string;
    /** Name that the agent's certificate must have, where it is not the host of the address. */
    readonly serverName?: string;
  };
}

/** Options, checked and with their defaults. */
export interface ConsulSettings {
  readonly name: string;
  /** `http://127.0.0.1:8500`. */
  readonly origin: string;
  readonly datacenter: string | undefined;
  readonly token: TokenSource;
  readonly hasToken: boolean;
  readonly tags: readonly string[];
  readonly onlyPassing: boolean;
  readonly keepLastInstances: boolean;
  readonly domain: string;
  readonly waitMs: number;
  readonly maxConnections: number;
  readonly tls:
    | { readonly ca?: string; readonly cert?: string; readonly key?: PrivateKey; readonly servername?: string }
    | undefined;
}

const optionNames = [
  'address',
  'name',
  'datacenter',
  'token',
  'tokenFile',
  'tags',
  'onlyPassing',
  'keepLastInstances',
  'domain',
  'waitMs',
  'maxConnections',
  'tls',
];
const tlsNames = ['caFile', 'certificateFile', 'privateKeyFile', 'serverName'];

/** Checks options. Throws a TypeError or RangeError for a wrong one, a MeshError for a file that cannot be read. */
export function consulSettings(
  options: ConsulOptions,
  environment: Readonly<Record<string, string | undefined>>,
): ConsulSettings {
  refuseUnknownKeys(options, optionNames, 'consul');
  const origin = originOf(options.address ?? 'http://127.0.0.1:8500');
  if (options.token !== undefined && options.tokenFile !== undefined) {
    throw new TypeError('consul: give either `token` or `tokenFile`, not both');
  }
  const value = options.token ?? (options.tokenFile === undefined ? environment['CONSUL_HTTP_TOKEN'] || undefined : undefined);
  const token = typeof value === 'string' ? new ConsulToken(value) : value;
  if (token !== undefined && !(token instanceof ConsulToken))
    throw new TypeError('consul.token: must be a string or a ConsulToken');
  if (options.tls !== undefined && !origin.startsWith('https:')) {
    throw new TypeError(`consul.tls: "${origin}" is not an https:// address; write https:// or leave \`tls\` out`);
  }
  return {
    name: text(options.name, 'name') ?? 'consul',
    origin,
    datacenter: text(options.datacenter, 'datacenter'),
    token: options.tokenFile === undefined ? fixedToken(token) : tokenFromFile(text(options.tokenFile, 'tokenFile') ?? ''),
    hasToken: token !== undefined || options.tokenFile !== undefined,
    tags: checkTags(options.tags ?? []),
    onlyPassing: flag(options.onlyPassing, 'onlyPassing'),
    keepLastInstances: flag(options.keepLastInstances, 'keepLastInstances'),
    domain: text(options.domain, 'domain') ?? 'consul',
    waitMs: range(options.waitMs ?? 300_000, 1000, 600_000, 'waitMs'),
    maxConnections: range(options.maxConnections ?? 100, 1, 10_000, 'maxConnections'),
    tls: options.tls === undefined ? undefined : readTls(options.tls),
  };
}

function originOf(address: string): string {
  const remedy = 'write http://host:8500 or https://host:8501';
  if (typeof address !== 'string' || !URL.canParse(address)) throw new TypeError(`consul.address: not a URL; ${remedy}`);
  const url = new URL(address);
  if (url.username !== '' || url.password !== '')
    throw new TypeError('consul.address: takes no user name; a token goes into `tokenFile`');
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new TypeError(`consul.address: "${url.protocol}" is not known; ${remedy}`);
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    throw new TypeError(`consul.address: host and port only; ${remedy}`);
  return url.origin;
}

function readTls(tls: NonNullable<ConsulOptions['tls']>): ConsulSettings['tls'] {
  refuseUnknownKeys(tls, tlsNames, 'consul.tls');
  if ((tls.certificateFile === undefined) !== (tls.privateKeyFile === undefined)) {
    throw new TypeError('consul.tls: `certificateFile` and `privateKeyFile` go together');
  }
  const ca = readPem(tls.caFile, 'caFile');
  const cert = readPem(tls.certificateFile, 'certificateFile');
  const key = readPem(tls.privateKeyFile, 'privateKeyFile');
  const servername = text(tls.serverName, 'tls.serverName');
  return {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key: new PrivateKey(key) }),
    ...(servername !== undefined && { servername }),
  };
}

function readPem(path: string | undefined, option: string): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new MeshError('MESH_CONFIG_UNREADABLE', `consul.tls.${option}: cannot read "${path}"; check path and permissions`, {
      cause: error,
    });
  }
}

function checkTags(tags: readonly string[]): readonly string[] {
  const wrong = !Array.isArray(tags) || tags.some((tag) => typeof tag !== 'string' || tag === '');
  if (wrong) throw new TypeError('consul.tags: must be a list of non-empty strings');
  return [...tags];
}

function text(value: string | undefined, option: string): string | undefined {
  if (value !== undefined && (typeof value !== 'string' || value === '')) {
    throw new TypeError(`consul.${option}: must be a non-empty string`);
  }
  return value;
}

function flag(value: boolean | undefined, option: string): boolean {
  if (value !== undefined && typeof value !== 'boolean') throw new TypeError(`consul.${option}: must be true or false`);
  return value ?? false;
}

function range(value: number, min: number, max: number, option: string): number {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`consul.${option}: must be a whole number from ${min} to ${max}, not ${String(value)}`);
  }
  return value;
}

function refuseUnknownKeys(options: object, known: readonly string[], path: string): void {
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) throw new TypeError(`${path}.${key}: no such option; there are ${known.join(', ')}`);
  }
}
