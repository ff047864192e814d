import { isIP } from 'node:net';
import type { HostName } from './host-name.ts';

/** What resolv.conf(5) says, as far as it concerns us. */
export interface ResolvConf {
  /** In the order of the file; empty = the defaults of the system. */
  readonly servers: readonly string[];
  readonly searchDomains: readonly string[];
  /** A name with fewer dots than this is tried with the search list first. */
  readonly ndots: number;
  /** `options timeout:`; undefined when not said. */
  readonly tryTimeoutMs: number | undefined;
  /** `options attempts:`; undefined when not said. */
  readonly attempts: number | undefined;
}

/** Reads resolv.conf. Unknown lines are skipped, the last `search` or `domain` wins, and options have glibc's caps. */
export function parseResolvConf(text: string): ResolvConf {
  const servers: string[] = [];
  let searchDomains: readonly string[] = [];
  const options = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && isServer(values[0] ?? '')) servers.push(values[0]!);
    if (keyword === 'search') searchDomains = values.map((domain) => withoutDot(domain)).filter((domain) => domain !== '');
    if (keyword === 'domain' && values[0] !== undefined) searchDomains = [withoutDot(values[0])];
    if (keyword === 'options') {
      for (const option of values) {
        const [name = '', value = ''] = option.split(':');
        if (/^\d+$/.test(value)) options.set(name, Number(value));
      }
    }
  }
  const timeoutSeconds = options.get('timeout');
  const attempts = options.get('attempts');
  return {
    servers,
    searchDomains,
    ndots: Math.min(options.get('ndots') ?? 1, 15),
    tryTimeoutMs: timeoutSeconds === undefined ? undefined : Math.min(Math.max(timeoutSeconds, 1), 30) * 1000,
    attempts: attempts === undefined ? undefined : Math.min(Math.max(attempts, 1), 5),
  };
}

/**
 * The absolute names to try for a name, in order: with enough dots as it stands and then the search list, otherwise the search list
 * first (resolv.conf(5), `ndots`; Kubernetes sets 5). An absolute name is tried alone.
 */
export function candidateNames(name: HostName, conf: Pick<ResolvConf, 'searchDomains' | 'ndots'>): readonly string[] {
  if (name.isAbsolute) return [name.text];
  const searched = conf.searchDomains
    .map((domain) => `${name.text}.${domain.toLowerCase()}`)
    .filter((full) => full.length <= 253);
  const dots = name.text.split('.').length - 1;
  return dots >= conf.ndots ? [name.text, ...searched] : [...searched, name.text];
}

/** An address, or `[address]:port` as BSD and c-ares have it. */
function isServer(text: string): boolean {
  return isIP(/^\[([^\]]*)\]:\d{1,5}$/.exec(text)?.[1] ?? text) !== 0;
}

function withoutDot(domain: string): string {
  return domain.endsWith('.') ? domain.slice(0, -1) : domain;
}
