import { isIPv4, isIPv6 } from 'node:net';

/** A host name or IP address (without brackets), and the port when one was written. */
export interface Address {
  readonly host: string;
  readonly port?: number;
}

const label = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/;

/** Whether `text` is a DNS name of at most 253 characters (RFC 1035, with `_` as the WHATWG URL standard allows), not an IP address. */
export function isHostName(text: string): boolean {
  const name = text.endsWith('.') ? text.slice(0, -1) : text;
  if (name.length > 253 || /^[\d.]+$/.test(name)) return false;
  return name.split('.').every((part) => label.test(part));
}

/**
 * `127.0.0.1:7001`, `orders.internal`, `[::1]:7001` or `::1` as an address, or undefined when it is none of these: a URL, a port
 * outside 1 … 65 535, a name that DNS cannot have.
 */
export function parseAddress(text: string): Address | undefined {
  if (isIPv6(text)) return { host: text };
  const parts = /^(?:\[(?<v6>[^\]]*)\]|(?<name>[^:[\]]*))(?::(?<port>\d{1,5}))?$/.exec(text)?.groups;
  if (parts === undefined) return undefined;
  const host = parts['v6'] ?? parts['name'] ?? '';
  const isValid = parts['v6'] === undefined ? isIPv4(host) || isHostName(host) : isIPv6(host);
  if (!isValid) return undefined;
  if (parts['port'] === undefined) return { host };
  const port = Number(parts['port']);
  return port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

/** How an IPv6 address that was written without brackets may have been meant, with its last part as the port: `[::1]:80`. */
export function bracketed(text: string): string | undefined {
  const [, host = '', port = ''] = /^(.*):(\d{1,5})$/.exec(text) ?? [];
  const meant = `[${host}]:${port}`;
  return isIPv6(text) && parseAddress(meant) !== undefined ? meant : undefined;
}

/** Whether `text` may be a domain of a virtual host: `orders`, `orders:8080`, `*.example.org`, `orders.*` or `*`. */
export function isDomain(text: string): boolean {
  if (text === '*') return true;
  if (text.startsWith('*.')) return isHostName(text.slice(2));
  if (text.endsWith('.*')) return isHostName(text.slice(0, -2));
  return parseAddress(text) !== undefined;
}

/** The form in which two domains are compared: lower case, IPv6 in brackets, no dot at the end. */
export function canonicalDomain(text: string): string {
  const lower = text.toLowerCase();
  return isIPv6(lower) ? `[${lower}]` : lower.replace(/\.$/, '');
}
