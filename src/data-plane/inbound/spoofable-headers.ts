/**
 * Headers that say of somebody else who he is, what he asked for, or how he is to be treated. Whoever is not trusted could write
 * anything into them, so they are taken off his requests. Names are compared with `-` for `_`: servers that make variables of headers
 * (CGI, WSGI) cannot tell the two apart.
 */

import type { FilterChainConfig } from '../../model/listener.ts';

/** What becomes of a header of a peer that is not trusted. */
export type HeaderKind =
  /** Stays. */
  | 'plain'
  /** Is taken off. */
  | 'spoofable'
  /** Is taken off unless proxies in front are believed. */
  | 'of-proxies'
  /** Has rules of its own: `x-forwarded-client-cert`. */
  | 'client-certificate'
  /** Istio's word on the workload of the peer, for telemetry, which takes it off. */
  | 'peer-metadata';

/** The parts of a chain that say what stays. */
export type HeaderTrust = Pick<FilterChainConfig, 'forwardClientCertificate' | 'trustedHops' | 'telemetry' | 'jwt'>;

/** Whether a header of the kind stays on a request. */
export type HeaderRule = (kind: HeaderKind, isTrusted: boolean) => boolean;

/**
 * Compiles what stays on requests of peers that are trusted, and of all others. A source that counts proxies in front (`trustedHops`)
 * says that they have cleaned what they hand on.
 */
export function compileHeaderRule({ forwardClientCertificate, trustedHops = 0, telemetry }: HeaderTrust): HeaderRule {
  return (kind, isTrusted) => {
    switch (kind) {
      case 'plain':
        return true;
      case 'client-certificate':
        return isTrusted && forwardClientCertificate === undefined;
      case 'of-proxies':
        return isTrusted || trustedHops > 0;
      case 'peer-metadata':
        return isTrusted || telemetry?.peerMetadata !== undefined;
      default:
        return isTrusted;
    }
  };
}

/** What a header is, by its name in any case. */
export function headerKind(rawName: string): HeaderKind {
  // Nearly all others are known by their first letter.
  switch (rawName.charCodeAt(0) | 0x20) {
    case 120: // x
      return kindOfExtension(plainName(rawName));
    case 99: // c
      return byName.get(plainName(rawName)) ?? 'plain';
    case 98: // b
      return rawName.length === 7 && rawName.toLowerCase() === 'baggage' ? 'of-proxies' : 'plain';
    case 102: // f
    case 116: // t
      return byName.get(plainName(rawName)) ?? 'plain';
    case 115: // s
      return plainName(rawName).startsWith('ssl-client-') ? 'spoofable' : 'plain';
    case 108: // l
      return plainName(rawName).startsWith('l5d-') ? 'spoofable' : 'plain';
    default:
      return 'plain';
  }
}

function kindOfExtension(name: string): HeaderKind {
  if (name.startsWith('x-forwarded-')) return name === 'x-forwarded-client-cert' ? 'client-certificate' : 'of-proxies';
  const known = byName.get(name);
  if (known !== undefined) return known;
  if (name.startsWith('x-ssl-client-') || name.startsWith('x-client-cert')) return 'spoofable';
  if (name.startsWith('x-envoy-')) return name.startsWith('x-envoy-peer-metadata') ? 'peer-metadata' : 'spoofable';
  return name.startsWith('x-mesh-') ? 'spoofable' : 'plain';
}

/** Headers that this process alone may set, with `-` for `_`: what tokens say, where a policy hands it to the program. */
export function ownHeaders({ jwt = [] }: HeaderTrust): ReadonlySet<string> {
  const names = jwt.flatMap(({ payloadHeader, claimHeaders = [] }) => [
    payloadHeader,
    ...claimHeaders.map(({ header }) => header),
  ]);
  // A token that comes in such a header is looked at first, and taken off with its verification.
  const locations = new Set(
    jwt.flatMap(({ fromHeaders = [{ name: 'authorization' }] }) => fromHeaders.map(({ name }) => plainName(name))),
  );
  return new Set(names.flatMap((name) => (name === undefined || locations.has(plainName(name)) ? [] : [plainName(name)])));
}

/**
 * Headers by which proxies of all kinds, and the programs behind them, say where a request is from, who sends it, or which path it was
 * for. RFC 9440 is of the certificate of a client.
 */
const byName: ReadonlyMap<string, HeaderKind> = new Map<string, HeaderKind>([
  ...[
    'forwarded',
    'x-forwarded',
    'x-real-ip',
    'true-client-ip',
    'cf-connecting-ip',
    'cf-connecting-ipv6',
    'fastly-client-ip',
    'x-client-ip',
    'x-cluster-client-ip',
    'x-original-forwarded-for',
    'x-original-host',
    'x-original-uri',
    'x-original-url',
    'x-rewrite-url',
  ].map((name) => [name, 'of-proxies'] as const),
  ...['client-cert', 'client-cert-chain', 'x-request-criticality'].map((name) => [name, 'spoofable'] as const),
]);

/** A name in lower case, with `-` for `_`. */
export function plainName(rawName: string): string {
  const name = rawName.toLowerCase();
  return name.includes('_') ? name.replaceAll('_', '-') : name;
}
