/**
 * Which query values are secrets. The four of the semantic conventions (`AWSAccessKeyId`, `Signature`, `sig`,
 * `X-Goog-Signature`), OAuth's and what else is known to carry credentials; names are compared in lower case without `-` `_` `.`.
 * A pagination token is hidden too: rather one value too many.
 */
const secretNames = new Set([
  'auth',
  'authorization',
  'assertion',
  'awsaccesskeyid',
  'code',
  'googleaccessid',
  'jwt',
  'key',
  'pass',
  'passphrase',
  'passwd',
  'pwd',
  'session',
  'sessionid',
  'sid',
  'sig',
]);
const secretEnding = /(?:token|secret|password|signature|credential|credentials|apikey|accesskey)$/;

function isSecretName(raw: string): boolean {
  let name = raw;
  if (name.includes('%') || name.includes('+')) {
    try {
      name = decodeURIComponent(name.replaceAll('+', ' '));
    } catch {
      // Not decodable: what cannot be read cannot be cleared.
      return true;
    }
  }
  name = name.toLowerCase().replaceAll(/[-_.\s]/g, '');
  // `filter[token]` and `token[]` are `token` to most servers.
  return name.split(/[[\]]/).some((part) => secretNames.has(part) || secretEnding.test(part));
}

/** A path with the values of secret query parameters replaced by `REDACTED`; the names stay. */
export function redactQuery(path: string): string {
  const start = path.indexOf('?');
  if (start === -1) return path;
  const pairs = path.slice(start + 1).split('&');
  let hasSecret = false;
  for (let index = 0; index < pairs.length; index += 1) {
    const pair = pairs[index]!;
    const separator = pair.indexOf('=');
    if (separator !== -1 && isSecretName(pair.slice(0, separator))) {
      pairs[index] = `${pair.slice(0, separator)}=REDACTED`;
      hasSecret = true;
    }
  }
  return hasSecret ? `${path.slice(0, start)}?${pairs.join('&')}` : path;
}

/** `url.full` of a request: never with user name, password or a known secret. `host` is bracketed when it is IPv6. */
export function fullUrl(scheme: string, host: string, port: number, path: string): string {
  const isDefaultPort = (scheme === 'http' && port === 80) || (scheme === 'https' && port === 443);
  const bare = host.slice(host.lastIndexOf('@') + 1);
  return `${scheme}://${bare}${isDefaultPort ? '' : `:${port}`}${path.startsWith('/') ? '' : '/'}${redactQuery(path)}`;
}
