/**
 * Which virtual host of a table serves which authority, found in its bytes: every domain is looked at once, however many authorities
 * there are. Order of Envoy: exact, then the longest suffix (`*.example.org`), then the longest prefix (`orders.*`), then `*`; of
 * equal domains the first.
 */
import type { RouteTableConfig, VirtualHostConfig } from '../../../model/route.ts';
import type { Pace } from './pace.ts';
import { domainsThatMayBe } from './route-table-bytes.ts';

const hostsPerLook = 64;
/** Above every length that a name may have. */
const exact = 2 ** 30;
const suffix = 2 ** 20;

/** What serves a text, and how well it fits: of two texts that mean the same authority the better fit counts. */
export interface Choice<H> {
  readonly rank: number;
  readonly host: H;
}

/** The best one so far for each text. */
class Choices<H> {
  private readonly texts: ReadonlySet<string>;
  private readonly ignoresPort: boolean;
  private readonly best = new Map<string, Choice<H>>();

  constructor(texts: ReadonlySet<string>, ignoresPort: boolean) {
    this.texts = texts;
    this.ignoresPort = ignoresPort;
  }

  offer(host: H, domains: readonly string[]): void {
    for (const written of domains) {
      const domain = written.toLowerCase();
      if (this.ignoresPort && /:\d+$/.test(domain)) continue;
      if (domain.includes('*')) for (const text of this.texts) this.note(text, rankOfWildcard(text, domain), host);
      else if (this.texts.has(domain)) this.note(domain, exact, host);
    }
  }

  result(): ReadonlyMap<string, Choice<H>> {
    return this.best;
  }

  private note(text: string, rank: number, host: H): void {
    const best = this.best.get(text);
    if (rank < 0 || (best !== undefined && best.rank >= rank)) return;
    this.best.set(text, { rank, host });
  }
}

/** −1 where it does not serve the text. What stands for the star is never empty. */
function rankOfWildcard(text: string, domain: string): number {
  if (domain === '*') return 0;
  if (domain.length - 1 >= text.length) return -1;
  if (domain.startsWith('*')) return text.endsWith(domain.slice(1)) ? suffix + domain.length : -1;
  return domain.endsWith('*') && text.startsWith(domain.slice(0, -1)) ? domain.length : -1;
}

/**
 * The virtual host of each of these texts: hosts in lower case as they are sent, with their port or without. `ignoresPort`: the texts
 * have no port, and domains with one serve nobody (`ignore_port_in_host_matching`).
 */
export async function pickVirtualHosts(
  hosts: readonly Uint8Array[],
  texts: ReadonlySet<string>,
  ignoresPort: boolean,
  pace: Pace,
): Promise<ReadonlyMap<string, Choice<Uint8Array>>> {
  const choices = new Choices<Uint8Array>(texts, ignoresPort);
  const lengths = new Set(Array.from(texts, (text) => Buffer.byteLength(text)));
  let looked = 0;
  for (const host of hosts) {
    if (++looked % hostsPerLook === 0 && pace.isOver) await pace.turn();
    choices.offer(host, domainsThatMayBe(host, lengths));
  }
  return choices.result();
}

/** The same of a table that was read: one that stands in its listener. */
export function virtualHostsOf(
  table: RouteTableConfig,
  texts: ReadonlySet<string>,
): ReadonlyMap<string, Choice<VirtualHostConfig>> {
  const choices = new Choices<VirtualHostConfig>(texts, table.ignorePortInHost === true);
  for (const host of table.virtualHosts) choices.offer(host, host.domains);
  return choices.result();
}
