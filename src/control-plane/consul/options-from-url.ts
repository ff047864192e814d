import type { ConsulOptions } from './options.ts';

const parameters = [
  'token-file',
  'dc',
  'tag',
  'tls',
  'ca-file',
  'cert-file',
  'key-file',
  'server-name',
  'only-passing',
  'keep-last-instances',
  'domain',
  'wait',
  'name',
];

/**
 * Options from `consul://host:8500[?token-file=…&dc=…&tag=…&tls=true…]`. `tag` may be repeated; `wait` is a duration such as `5m`
 * or `30s`; host and port default to the local agent. Throws a TypeError for what is wrong; a token itself is refused, because URLs
 * end up in logs.
 */
export function consulOptionsFromUrl(source: string | URL): ConsulOptions {
  const url = new URL(source);
  if (url.protocol !== 'consul:') throw new TypeError(`"${url.protocol}" is not consul:; write consul://host:8500`);
  if (url.username !== '' || url.password !== '') throw new TypeError('a consul: URL takes no user name; use ?token-file=PATH');
  if (url.pathname !== '' && url.pathname !== '/') throw new TypeError('a consul: URL has no path; write consul://host:8500?…');
  const query = url.searchParams;
  if (query.has('token')) throw new TypeError('a token in a URL ends up in logs; use ?token-file=PATH or CONSUL_HTTP_TOKEN');
  for (const key of query.keys()) {
    if (!parameters.includes(key)) throw new TypeError(`consul: no parameter "${key}"; there are ${parameters.join(', ')}`);
    if (key !== 'tag' && query.getAll(key).length > 1) throw new TypeError(`consul: parameter "${key}" is given twice`);
  }
  const tlsFiles = withoutUndefined({
    caFile: value(query, 'ca-file'),
    certificateFile: value(query, 'cert-file'),
    privateKeyFile: value(query, 'key-file'),
    serverName: value(query, 'server-name'),
  });
  const usesTls = flag(query, 'tls') ?? Object.keys(tlsFiles).length > 0;
  const host = url.hostname === '' ? '127.0.0.1' : url.hostname;
  const port = url.port === '' ? (usesTls ? '8501' : '8500') : url.port;
  return withoutUndefined({
    address: `${usesTls ? 'https' : 'http'}://${host}:${port}`,
    tokenFile: value(query, 'token-file'),
    datacenter: value(query, 'dc'),
    tags: query.has('tag') ? query.getAll('tag') : undefined,
    tls: Object.keys(tlsFiles).length > 0 ? tlsFiles : undefined,
    onlyPassing: flag(query, 'only-passing'),
    keepLastInstances: flag(query, 'keep-last-instances'),
    domain: value(query, 'domain'),
    waitMs: durationMs(query, 'wait'),
    name: value(query, 'name'),
  });
}

function value(query: URLSearchParams, key: string): string | undefined {
  const found = query.get(key) ?? undefined;
  if (found === '') throw new TypeError(`consul: parameter "${key}" is empty`);
  return found;
}

function flag(query: URLSearchParams, key: string): boolean | undefined {
  const found = value(query, key);
  if (found === undefined) return undefined;
  if (found !== 'true' && found !== 'false')
    throw new TypeError(`consul: parameter "${key}" must be true or false, not "${found}"`);
  return found === 'true';
}

function durationMs(query: URLSearchParams, key: string): number | undefined {
  const found = value(query, key);
  if (found === undefined) return undefined;
  const parts = /^(\d{1,6})(ms|s|m)$/.exec(found);
  if (parts === null) throw new TypeError(`consul: parameter "${key}" must be a duration such as 5m or 30s, not "${found}"`);
  const unitMs = { ms: 1, s: 1000, m: 60_000 }[parts[2] as 'ms' | 's' | 'm'];
  return Number(parts[1]) * unitMs;
}

/** Drops the keys that have no value, as `exactOptionalPropertyTypes` asks. */
function withoutUndefined<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
