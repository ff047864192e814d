/** Checks of transport security. */
import { isIP } from 'node:net';
import type { SanMatcher, UpstreamTls } from '../../model/tls.ts';
import { printed, type Check } from './check.ts';

const versions = ['TLSv1.2', 'TLSv1.3'];

/** Checks how connections to endpoints are secured. */
export function checkUpstreamTls(check: Check, tls: UpstreamTls): void {
  check.oneOf('mode', tls.mode ?? 'nothing', ['simple', 'mutual', 'disabled']);
  if (tls.mode === 'disabled') return;
  if (tls.mode === 'mutual' || tls.identity !== undefined) check.name('identity', tls.identity);
  if (tls.trust !== undefined) check.name('trust', tls.trust);
  if (tls.sni !== undefined) check.name('sni', tls.sni);
  checkAlpn(check, tls.alpn);
  checkPeers(check, tls.peers);
  checkVersions(check, tls);
  check.each('cipherSuites', tls.cipherSuites, (inner, suite) => inner.name('', suite));
}

/** Checks the identities of which a peer must have one. */
export function checkPeers(check: Check, peers: readonly SanMatcher[]): void {
  if (!Array.isArray(peers)) check.reject('must be a list; an empty one means that the certificate must name the host', 'peers');
  checkSanMatchers(check, 'peers', peers);
}

/** Checks a list of names of peers. */
export function checkSanMatchers(check: Check, key: string, matchers: readonly SanMatcher[] | undefined): void {
  check.each(key, matchers, (inner, peer) => {
    inner.oneOf('kind', peer.kind ?? 'nothing', ['uri', 'dns', 'ip', 'email']);
    inner.oneOf('match', peer.match ?? 'nothing', ['exact', 'prefix', 'suffix', 'contains', 'regex']);
    // An empty prefix, suffix or part would accept every peer.
    inner.name('value', peer.value);
    if (peer.match === 'regex') inner.regex('value', peer.value);
    if (peer.kind === 'ip' && isIP(peer.value) === 0) inner.reject(`${printed(peer.value)} is not an IP address`, 'value');
  });
}

/** Checks names of protocols (RFC 7301: 1 to 255 bytes). */
export function checkAlpn(check: Check, alpn: readonly string[] | undefined): void {
  check.each('alpn', alpn, (inner, protocol) => {
    if (typeof protocol !== 'string' || protocol === '' || Buffer.byteLength(protocol) > 255)
      inner.reject('must be a text of 1 to 255 bytes');
  });
}

/** Checks the bounds on versions. */
export function checkVersions(check: Check, tls: { readonly minVersion?: string; readonly maxVersion?: string }): void {
  check.oneOf('minVersion', tls.minVersion, versions);
  check.oneOf('maxVersion', tls.maxVersion, versions);
  if (tls.minVersion === 'TLSv1.3' && tls.maxVersion === 'TLSv1.2') check.reject('is below minVersion', 'maxVersion');
}
