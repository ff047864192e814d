import type { XdsOptions, XdsServerOptions } from './options.ts';

const parameters = [
  'node',
  'cluster',
  'mode',
  'protocol',
  'listener-name',
  'server-listener-name',
  'tls',
  'roots-file',
  'server-name',
  'cert-file',
  'key-file',
  'token-file',
  'snapshot',
  'name',
];

/**
 * Options from `xds://host:port[?node=…&mode=sidecar&tls=true…]`; `xds:` alone takes the bootstrap that the environment names. There is
 * no default port. Throws a TypeError for what is wrong; a token itself is refused, because URLs end up in logs.
 */
export function xdsOptionsFromUrl(source: string | URL): XdsOptions {
  const url = new URL(source);
  if (url.protocol !== 'xds:') throw new TypeError(`"${url.protocol}" is not xds:; write xds://host:port`);
  if (url.username !== '' || url.password !== '') throw new TypeError('an xds: URL takes no user name; use ?token-file=PATH');
  if (url.pathname !== '' && url.pathname !== '/') throw new TypeError('an xds: URL has no path; write xds://host:port?…');
  const query = url.searchParams;
  if (query.has('token')) throw new TypeError('a token in a URL ends up in logs; use ?token-file=PATH');
  for (const key of query.keys()) {
    if (!parameters.includes(key)) throw new TypeError(`xds: no parameter "${key}"; there are ${parameters.join(', ')}`);
    if (query.getAll(key).length > 1) throw new TypeError(`xds: parameter "${key}" is given twice`);
  }
  const value = (key: string): string | undefined => {
    const found = query.get(key) ?? undefined;
    if (found === '') throw new TypeError(`xds: parameter "${key}" is empty`);
    return found;
  };
  const tls = withoutUndefined({
    rootsFile: value('roots-file'),
    serverName: value('server-name'),
    certificateFile: value('cert-file'),
    privateKeyFile: value('key-file'),
  });
  const usesTls = flag('tls', value('tls')) ?? (Object.keys(tls).length > 0 || query.has('token-file'));
  if (!usesTls && Object.keys(tls).length > 0) throw new TypeError('xds: tls=false goes with no file for TLS');
  const node = value('node');
  const cluster = value('cluster');
  if (node === undefined && cluster !== undefined) throw new TypeError('xds: parameter "cluster" needs "node"');
  const isBare = url.host === '';
  if (!isBare && url.port === '') throw new TypeError(`xds: "${url.host}" has no port; write xds://${url.host}:PORT`);
  const server: XdsServerOptions = {
    address: url.host,
    ...(usesTls && { tls: Object.keys(tls).length > 0 ? tls : true }),
    ...withoutUndefined({ tokenFile: value('token-file') }),
  };
  if (isBare && (usesTls || query.has('tls')))
    throw new TypeError('xds: without a host the servers are those of the bootstrap, and so is how they are spoken to');
  return withoutUndefined({
    servers: isBare ? undefined : server,
    node: node === undefined ? undefined : { id: node, ...(cluster !== undefined && { cluster }) },
    mode: value('mode') as XdsOptions['mode'],
    protocol: value('protocol') as XdsOptions['protocol'],
    listenerName: value('listener-name'),
    serverListenerName: value('server-listener-name'),
    snapshot: value('snapshot'),
    name: value('name'),
  });
}

function flag(key: string, found: string | undefined): boolean | undefined {
  if (found === undefined) return undefined;
  if (found !== 'true' && found !== 'false') throw new TypeError(`xds: parameter "${key}" must be true or false, not "${found}"`);
  return found === 'true';
}

/** Drops the keys that have no value, as `exactOptionalPropertyTypes` asks. */
function withoutUndefined<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
