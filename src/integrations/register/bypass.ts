/**
 * Which hosts the mesh keeps out of, even where a control plane names them: this machine, what is on its own link, the metadata
 * services of clouds (credentials are there: no control plane may lead them elsewhere), and what the list of the user says.
 *
 * The list has the syntax of Node's `NO_PROXY`, and networks beside it: `orders` (that name alone), `.internal` and `*.internal` (what
 * ends so), `orders:8080` (on this port alone), `10.0.0.7`, `10.0.0.1-10.0.0.9`, `10.0.0.0/8`, `[fd00::1]:80`, `*` (everything).
 * Names are compared as they are written: nothing is resolved.
 */
import { BlockList, isIP } from 'node:net';
import { MeshError } from '../../base/errors.ts';

/** Whether requests to this host are left alone. `host` as in a URL: lower case, IPv6 in brackets. */
export type Bypass = (host: string, port: number) => boolean;

/**
 * Sources: RFC 1122 (127/8), RFC 6761 (localhost), RFC 3927 and 4291 (link-local), RFC 6052 (64:ff9b::/96, IPv4 in IPv6); the documents of
 * AWS (instances, EKS Pod Identity), Google Cloud, Azure and Alibaba Cloud.
 */
const always =
  'localhost .localhost 0.0.0.0 127.0.0.0/8 [::] [::1] 169.254.0.0/16 fe80::/10 64:ff9b::a9fe:0/112 ' +
  'fd00:ec2::254 fd00:ec2::23 fd20:ce::254 168.63.129.16 100.100.100.200 metadata.google.internal';

interface Entry {
  /** Undefined: every host. */
  readonly name?: string;
  readonly suffix?: string;
  readonly addresses?: BlockList;
  /** Undefined: every port. */
  readonly port: number | undefined;
}

/** Reads the list. Throws MESH_CONFIG_INVALID with the entry that is wrong. */
export function createBypass(list = ''): Bypass {
  const entries = `${always} ${list}`
    .split(/[\s,]+/)
    .filter((text) => text !== '')
    .map(readEntry);
  return (host, port) => {
    const bare = bareHost(host);
    const family = isIP(bare);
    return entries.some((entry) => {
      if (entry.port !== undefined && entry.port !== port) return false;
      if (entry.addresses !== undefined) return family !== 0 && entry.addresses.check(bare, family === 6 ? 'ipv6' : 'ipv4');
      if (entry.suffix !== undefined) return family === 0 && bare.endsWith(entry.suffix);
      return entry.name === undefined || entry.name === bare;
    });
  };
}

function readEntry(text: string): Entry {
  const whole = addressesOf(text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text);
  if (whole !== undefined) return { addresses: whole, port: undefined };
  const [, host = '', digits] = /^(.*?)(?::(\d{1,5}))?$/.exec(text)!;
  const port = digits === undefined ? undefined : Number(digits);
  if (port !== undefined && (port === 0 || port > 65_535)) throw wrong(text);
  if (host === '*') return { port };
  const addresses = addressesOf(bareHost(host));
  if (addresses !== undefined) return { addresses, port };
  const name = bareHost(host.toLowerCase());
  // What looks like an address and is none would never match.
  if (!/^(\*?\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/.test(name) || /^[\d.]+$/.test(name)) throw wrong(text);
  if (name.startsWith('*')) return { suffix: name.slice(1), port };
  return name.startsWith('.') ? { suffix: name, port } : { name, port };
}

/** An address, a range or a network; undefined for what is none of them. */
function addressesOf(text: string): BlockList | undefined {
  const family = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4');
  const list = new BlockList();
  const [first = '', bits, ...more] = text.split('/');
  try {
    if (bits !== undefined) {
      if (isIP(first) === 0 || more.length > 0 || !/^\d{1,3}$/.test(bits)) return undefined;
      list.addSubnet(first, Number(bits), family(first));
    } else if (isIP(first) !== 0) list.addAddress(first, family(first));
    else {
      const [from = '', to = '', ...others] = first.split('-');
      if (isIP(from) === 0 || isIP(to) !== isIP(from) || others.length > 0) return undefined;
      list.addRange(from, to, family(from));
    }
  } catch {
    // A prefix that is too long, or a range that runs backwards.
    throw wrong(text);
  }
  return list;
}

/** Without the brackets of IPv6 and the dot at the end of an absolute name. */
function bareHost(host: string): string {
  if (host.startsWith('[') && host.endsWith(']')) return host.slice(1, -1);
  return host.length > 1 && host.endsWith('.') ? host.slice(0, -1) : host;
}

function wrong(entry: string): MeshError {
  const right = 'a host, .suffix, address, range or network, each with :port where it may have one';
  return new MeshError('MESH_CONFIG_INVALID', `MESHFETCH_BYPASS has "${entry}"; expected ${right}`);
}
