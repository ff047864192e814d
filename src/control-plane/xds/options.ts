/** The options of `xdsControlPlane`: what they are, what is wrong with them, and their defaults. */
import { suggestion } from '../../base/nearest-name.ts';
import type { XdsCredentials, XdsServer } from './client/credentials.ts';
import type { NodeConfig } from './client/node.ts';

/** TLS to an xDS server. Files are read again for each connection. */
export interface XdsTlsOptions {
  /** File with the roots (PEM) that the certificate of the server is verified by. Default: those that Node trusts. */
  readonly rootsFile?: string;
  /** Name that the certificate of the server must have, where it is not the host of the address. */
  readonly serverName?: string;
  /** Files with our certificate chain and its key (PEM), for mutual TLS. Both, or none. */
  readonly certificateFile?: string;
  readonly privateKeyFile?: string;
}

/** An xDS server. */
export interface XdsServerOptions {
  /** `host:port`, `[address]:port` or `unix:/path`. */
  readonly address: string;
  /** `true` = TLS with the defaults. Default: plaintext, which is for a loopback or a network that is secured otherwise. */
  readonly tls?: boolean | XdsTlsOptions;
  /** File with a token that is sent with each stream (`authorization: Bearer`); read again each time. Needs `tls`. */
  readonly tokenFile?: string;
}

/** A snapshot of what was in use, on the disk. */
export interface XdsSnapshotOptions {
  /** A folder for it, which belongs to this user alone; made when it is not there. */
  readonly folder: string;
  /** An older one is not used. Default 86 400 000: a day. */
  readonly maxAgeMs?: number;
  /** So long the server may take to speak before the snapshot is used. Default 1000: below every patience of a first request. */
  readonly waitMs?: number;
}

/** Options of `xdsControlPlane`. */
export interface XdsOptions {
  /** Name of the source in errors and `status()`. Default `xds`; two of them in one mesh need two names. */
  readonly name?: string;
  /**
   * The servers, in the order in which they are tried (gRFC A71). Default: those of the bootstrap that `GRPC_XDS_BOOTSTRAP` (a file) or
   * `GRPC_XDS_BOOTSTRAP_CONFIG` (the JSON itself) names.
   */
  readonly servers?: string | XdsServerOptions | readonly (string | XdsServerOptions)[];
  /** A bootstrap of gRPC (gRFC A27), as its file has it, in place of `servers` and the environment. */
  readonly bootstrap?: object;
  /** Who asks. Default: that of the bootstrap, else `{ id: 'meshfetch' }`. */
  readonly node?: NodeConfig;
  /**
   * `sidecar`: what Envoy asks for: all listeners and clusters, a listener for each port. `proxyless`: what gRPC asks for: a listener
   * for each service, everything by name. Default: `sidecar` for a node whose id begins with `sidecar~` (Istio's form), else `proxyless`.
   */
  readonly mode?: 'sidecar' | 'proxyless';
  /** Default: `delta`, and `state-of-the-world` with a server that has no delta. */
  readonly protocol?: 'delta' | 'state-of-the-world';
  /**
   * Name of the listener of a service, in which `%s` stands for `host:port`. Default: that of the bootstrap, else `host:port` and then
   * `host`. `proxyless` only.
   */
  readonly listenerName?: string;
  /**
   * Name of the listener of a port that this process listens on, in which `%s` stands for `address:port` (gRFC A36:
   * `grpc/server?xds.resource.listening_address=%s`). Default: that of the bootstrap, else the server is not asked about the way in.
   * `proxyless` only.
   */
  readonly serverListenerName?: string;
  /** How long a connected server may take to send what was asked for, until that counts as not there. Default 15 000 (Envoy, gRPC). */
  readonly resourceTimeoutMs?: number;
  /** Largest response. Default 67 108 864: 64 MiB. */
  readonly maxMessageBytes?: number;
  /**
   * A resource that cannot be used or that the server has no longer takes the last good version with it. Default: what the bootstrap
   * says of the first server (`fail_on_data_errors`, gRFC A88), else false: the last good version stays.
   */
  readonly failOnDataErrors?: boolean;
  /**
   * Clusters that the server gives no outlier detection: `always` = their endpoints are compared with their peers, as those of a service
   * that nobody configured; `as-configured` = none, as in Envoy. Default `always`.
   */
  readonly outlierDetection?: 'always' | 'as-configured';
  /** Keeps what is in use on the disk, for a start without the server. Never secrets. Default: nothing is written. */
  readonly snapshot?: string | XdsSnapshotOptions;
  /** Whether endpoints may be on this machine. Default: when the server is. */
  readonly allowLoopback?: boolean;
}

interface Rule {
  readonly isValid: (value: unknown) => boolean;
  readonly expected: string;
}

const text: Rule = { isValid: (value) => typeof value === 'string' && value !== '', expected: 'a text that is not empty' };
const flag: Rule = { isValid: (value) => typeof value === 'boolean', expected: 'true or false' };
const object: Rule = {
  isValid: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  expected: 'an object',
};
const milliseconds = (least: number): Rule => ({
  isValid: (value) => typeof value === 'number' && value >= least && value <= 31_536_000_000,
  expected: `milliseconds, ${least} to 31536000000 (a year)`,
});

const rules: { readonly [K in keyof Required<XdsOptions>]: Rule } = {
  name: text,
  servers: {
    isValid: (value) => (typeof value === 'string' && value !== '') || (typeof value === 'object' && value !== null),
    expected: 'a server or a list of servers, each "host:port" or { address, tls, tokenFile }',
  },
  bootstrap: object,
  node: {
    isValid: (value) => object.isValid(value) && text.isValid((value as { id?: unknown }).id),
    expected: 'an object with an `id`',
  },
  mode: { isValid: (value) => value === 'sidecar' || value === 'proxyless', expected: '"sidecar" or "proxyless"' },
  protocol: {
    isValid: (value) => value === 'delta' || value === 'state-of-the-world',
    expected: '"delta" or "state-of-the-world"',
  },
  listenerName: {
    isValid: (value) => typeof value === 'string' && value.includes('%s'),
    expected: 'a text with %s in it, which stands for host:port',
  },
  serverListenerName: {
    isValid: (value) => typeof value === 'string' && value.includes('%s'),
    expected: 'a text with %s in it, which stands for address:port',
  },
  resourceTimeoutMs: milliseconds(1),
  maxMessageBytes: {
    isValid: (value) => Number.isInteger(value) && (value as number) >= 1024 && (value as number) <= 2 ** 30,
    expected: 'bytes, 1024 to 1073741824',
  },
  failOnDataErrors: flag,
  outlierDetection: {
    isValid: (value) => value === 'always' || value === 'as-configured',
    expected: '"always" or "as-configured"',
  },
  snapshot: {
    isValid: (value) => text.isValid(value) || (object.isValid(value) && text.isValid((value as { folder?: unknown }).folder)),
    expected: 'a folder, or { folder, maxAgeMs, waitMs }',
  },
  allowLoopback: flag,
};

const snapshotRules: { readonly [K in keyof Required<XdsSnapshotOptions>]: Rule } = {
  folder: text,
  maxAgeMs: milliseconds(0),
  waitMs: milliseconds(0),
};

const serverRules: { readonly [K in keyof Required<XdsServerOptions>]: Rule } = {
  address: {
    isValid: (value) => typeof value === 'string' && isAddress(value),
    expected: '"host:port", "[address]:port" or "unix:/path"',
  },
  tls: { isValid: (value) => flag.isValid(value) || object.isValid(value), expected: 'true, false or an object' },
  tokenFile: text,
};

const tlsRules: { readonly [K in keyof Required<XdsTlsOptions>]: Rule } = {
  rootsFile: text,
  serverName: text,
  certificateFile: text,
  privateKeyFile: text,
};

/** Checks options. Throws a TypeError that names the option, what it must be, or the nearest known one. */
export function checkXdsOptions(options: unknown): asserts options is XdsOptions {
  if (!object.isValid(options)) throw new TypeError('xdsControlPlane takes an object of options');
  checkKeys('xds', options as object, rules);
  const { servers, bootstrap, snapshot } = options as XdsOptions;
  if (servers !== undefined && bootstrap !== undefined) throw new TypeError('xds: give `servers` or `bootstrap`, not both');
  if (typeof snapshot === 'object') checkKeys('xds.snapshot', snapshot, snapshotRules);
}

function checkKeys(place: string, value: object, known: Readonly<Record<string, Rule>>): void {
  for (const [key, given] of Object.entries(value)) {
    if (!Object.hasOwn(known, key))
      throw new TypeError(`${place} has no option "${key}"; ${suggestion(key, Object.keys(known))}`);
    if (given !== undefined && !known[key]!.isValid(given))
      throw new TypeError(`${place}: the option "${key}" must be ${known[key]!.expected}`);
  }
}

/** The servers of the options, checked. Throws a TypeError for a wrong one. */
export function serversFrom(servers: NonNullable<XdsOptions['servers']>): readonly XdsServer[] {
  const list = (Array.isArray(servers) ? servers : [servers]) as readonly (string | XdsServerOptions)[];
  if (list.length === 0) throw new TypeError('xds: the option "servers" is an empty list; name at least one');
  return list.map((server, index) => serverFrom(server, list.length === 1 ? 'xds.servers' : `xds.servers[${index}]`));
}

function serverFrom(server: string | XdsServerOptions, place: string): XdsServer {
  const given = typeof server === 'string' ? { address: server } : server;
  if (!object.isValid(given)) throw new TypeError(`${place} must be "host:port" or an object with an address`);
  checkKeys(place, given, serverRules);
  const { address, tls = false, tokenFile } = given as Partial<XdsServerOptions>;
  if (address === undefined) throw new TypeError(`${place} needs an \`address\`, such as "istiod.istio-system.svc:15010"`);
  if (typeof tls === 'object') checkKeys(`${place}.tls`, tls, tlsRules);
  if (tls === false) {
    if (tokenFile !== undefined)
      throw new TypeError(`${place}: a token is not sent in plaintext; give \`tls\` with \`tokenFile\``);
    return { address, credentials: { kind: 'plaintext' } };
  }
  const { rootsFile, serverName, certificateFile, privateKeyFile } = tls === true ? {} : tls;
  if ((certificateFile === undefined) !== (privateKeyFile === undefined))
    throw new TypeError(`${place}.tls: \`certificateFile\` and \`privateKeyFile\` go together`);
  const credentials: XdsCredentials = {
    kind: 'tls',
    ...(rootsFile !== undefined && { roots: { file: rootsFile } }),
    ...(serverName !== undefined && { serverName }),
    ...(certificateFile !== undefined && privateKeyFile !== undefined && { identity: { certificateFile, privateKeyFile } }),
    ...(tokenFile !== undefined && { callCredentials: { kind: 'jwt', file: tokenFile } }),
  };
  return { address, credentials };
}

function isAddress(text: string): boolean {
  if (text.startsWith('unix:')) return text.startsWith('unix:/') && text.length > 'unix:/'.length;
  const port = /^(?:\[[0-9a-fA-F:.]+\]|[^\s:/?#@[\]]+):(\d{1,5})$/.exec(text)?.[1];
  return port !== undefined && Number(port) > 0 && Number(port) <= 65_535;
}
