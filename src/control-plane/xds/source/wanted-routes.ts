/**
 * From the authorities that are asked for to what serves them. A sidecar has a listener for each port, whose route table names all
 * hosts of the mesh; without a proxy there is a listener for each service. Either way each authority gets exactly the virtual host
 * that Envoy would choose, under its own name alone: a virtual host for `*` that was delivered for one host must not take what a host
 * that nobody has asked for yet would find further up in the table.
 */
import type { OutboundListenerConfig } from '../../../model/listener.ts';
import type { RouteTableConfig, VirtualHostConfig } from '../../../model/route.ts';
import { sentForms, withoutPort, type Answer, type Authority } from './authority.ts';
import { findWays, type RouteFinding, type Ways } from './find-ways.ts';
import { ListenerDraft, type ListenerWithRoutes } from './listener-draft.ts';
import type { BoundWay, Listeners } from './listeners.ts';
import type { Pace } from './pace.ts';
import { pickVirtualHosts, virtualHostsOf, type Choice } from './pick-virtual-hosts.ts';
import type { ReadTables } from './read-tables.ts';

/** What the authorities need. */
export interface WantedRoutes {
  /** By the name under which they are delivered; each with its own table, of those virtual hosts that somebody needs. */
  readonly listeners: ReadonlyMap<string, ListenerWithRoutes>;
  /** What they were made from, by the same names. */
  readonly drafts: ReadonlyMap<string, ListenerDraft>;
  readonly answers: ReadonlyMap<Authority, Answer>;
  /** Names of listeners to subscribe to. Without a proxy only. */
  readonly listenerNames: ReadonlySet<string>;
  readonly tableNames: ReadonlySet<string>;
  /** Names of the listeners that serve somebody, or will when what they need has come. */
  readonly used: ReadonlySet<string>;
}

/** What an authority was given last: it stays in force while what follows it has not arrived (Envoy warms a listener so). */
interface Served {
  readonly resource: string;
  readonly name: string;
  readonly listener: OutboundListenerConfig;
  readonly head: RouteTableConfig;
  readonly host: VirtualHostConfig;
  /** The authority as it is sent. */
  readonly forms: readonly string[];
}

/** What the authorities have now, by the authority. */
export type ServedNow = WeakMap<Authority, Served>;

/** Finds what serves these authorities, by what is kept now. */
export async function findRoutes(
  authorities: readonly Authority[],
  parts: {
    readonly finding: RouteFinding;
    readonly listeners: Listeners;
    readonly tables: ReadTables;
    readonly now: ServedNow;
    /** What was found the last time: a listener that is the same keeps its object. */
    readonly last: WantedRoutes;
  },
  pace: Pace,
): Promise<WantedRoutes> {
  const { finding, listeners, tables, now, last: lastRoutes } = parts;
  const listenerNames = new Set<string>();
  const tableNames = new Set<string>();
  const texts = new Map<string, Set<string>>();
  const waysOf = new Map<Authority, Ways>();
  for (const authority of authorities) {
    if (pace.isOver) await pace.turn();
    if (finding.mode === 'proxyless') for (const name of finding.listenerNames(authority)) listenerNames.add(name);
    const ways = findWays(authority, finding, listeners);
    waysOf.set(authority, ways);
    if (ways.kind !== 'ways') continue;
    for (const { table } of ways.ways) {
      if (table === undefined) continue;
      tableNames.add(table);
      const asked = texts.get(table) ?? new Set<string>();
      for (const form of sentForms(authority)) asked.add(form);
      texts.set(table, asked);
    }
  }
  // All authorities of a table are looked up in one pass over its domains.
  const picked = new Map<string, ReadonlyMap<string, Choice<Uint8Array>>>();
  for (const [name, asked] of texts) {
    const table = tables.get(name);
    if (table === undefined) continue;
    const ignoresPort = table.head.ignorePortInHost === true;
    const forms = ignoresPort ? new Set([...asked].map(withoutPort)) : asked;
    picked.set(name, await pickVirtualHosts(table.hosts, forms, ignoresPort, pace));
  }

  const answers = new Map<Authority, Answer>();
  const drafts = new Map<string, ListenerDraft>();
  const used = new Set<string>();
  const hosts = new Map<string, Set<VirtualHostConfig>>([...picked.keys()].map((name) => [name, new Set()]));
  for (const [authority, ways] of waysOf) {
    if (pace.isOver) await pace.turn();
    const answer =
      ways.kind === 'ways'
        ? serve(authority, ways.ways)
        : ways.kind === 'raw'
          ? serveRaw(authority, ways.resource, ways.cluster)
          : ways;
    const last = answer.kind === 'awaited' ? now.get(authority) : undefined;
    if (last === undefined || listeners.ofName(last.resource) === undefined) answers.set(authority, answer);
    else {
      give(last);
      answers.set(authority, { kind: 'served' });
    }
    if (answer.kind === 'absent') now.delete(authority);
  }
  tables.retain(hosts);
  return {
    listeners: new Map([...drafts].map(([name, draft]) => [name, draft.listener(lastRoutes.drafts.get(name))])),
    drafts,
    answers,
    listenerNames,
    tableNames,
    used,
  };

  /** Gives the authority to the first way that has a virtual host for it. */
  function serve(authority: Authority, ways: readonly BoundWay[]): Answer {
    const looked: string[] = [];
    for (const way of ways) {
      const listener = listeners.read(way.resource)?.outbound[way.index];
      if (listener === undefined) continue;
      if (finding.isIncomplete(way.resource)) {
        used.add(way.resource);
        return { kind: 'awaited', what: `filters of listener ${JSON.stringify(way.resource)} that are delivered apart` };
      }
      if (way.table !== undefined && !picked.has(way.table)) {
        const reason = finding.absence('route-table', way.table);
        if (reason === undefined) {
          used.add(way.resource);
          return { kind: 'awaited', what: `route table ${JSON.stringify(way.table)}` };
        }
        looked.push(`route table ${JSON.stringify(way.table)} of listener ${way.resource}: ${reason}`);
        continue;
      }
      const found = hostOf(way, listener, sentForms(authority));
      if (found !== undefined) {
        const served = { ...deliveredAs(way, listener, authority), ...found, forms: sentForms(authority) };
        give(served);
        now.set(authority, served);
        return { kind: 'served' };
      }
      const table = way.table ?? (typeof listener.routes === 'string' ? listener.routes : listener.routes.name);
      looked.push(
        `no virtual host of route table ${JSON.stringify(table)} (listener ${way.resource}) serves ${authority.host}:${authority.port}`,
      );
    }
    return { kind: 'absent', reason: looked.join('; ') };
  }

  /** Everything to one cluster, as a proxy of connections does. */
  function serveRaw(authority: Authority, resource: string, cluster: string): Answer {
    const name = `${resource}:${authority.port}`;
    const host: VirtualHostConfig = {
      name: cluster,
      domains: [],
      routes: [
        {
          name: cluster,
          match: { path: { kind: 'prefix', value: '/' } },
          action: { kind: 'forward', to: [{ cluster, weight: 1 }] },
        },
      ],
    };
    const head: RouteTableConfig = { name: cluster, virtualHosts: [] };
    const listener: OutboundListenerConfig = { direction: 'outbound', name, port: authority.port, routes: head };
    give({ resource, name, listener, head, host, forms: sentForms(authority) });
    return { kind: 'served' };
  }

  /** What serves the authority. Where it is sent without its port by default, a domain with the port means it as well. */
  function hostOf(
    { table: name }: BoundWay,
    { routes }: OutboundListenerConfig,
    forms: readonly string[],
  ): { readonly head: RouteTableConfig; readonly host: VirtualHostConfig } | undefined {
    const table = name === undefined ? undefined : tables.get(name);
    const head = table?.head ?? (typeof routes === 'string' ? undefined : routes);
    if (head === undefined) return undefined;
    const texts = head.ignorePortInHost === true ? forms.map(withoutPort) : forms;
    if (table === undefined) {
      const host = bestOf(texts, virtualHostsOf(head, new Set(texts)));
      return host && { head, host };
    }
    const bytes = bestOf(texts, picked.get(name!));
    const host = bytes && tables.virtualHost(table, bytes);
    if (host === undefined) return undefined;
    hosts.get(name!)?.add(host);
    return { head, host };
  }

  /** Without a proxy one listener may serve several ports, and is delivered for each. */
  function deliveredAs({ resource }: BoundWay, listener: OutboundListenerConfig, { port }: Authority) {
    const isShared = finding.mode === 'proxyless' && !resource.endsWith(`:${port}`);
    return { resource, name: isShared ? `${listener.name}:${port}` : listener.name, listener: { ...listener, port } };
  }

  function give({ resource, name, listener, head, host, forms }: Served): void {
    used.add(resource);
    let draft = drafts.get(name);
    if (draft === undefined) {
      draft = new ListenerDraft(name, listener, head);
      drafts.set(name, draft);
    }
    for (const form of forms) draft.add(form, host);
  }
}

/** What fits one of these texts best; at the same fit the first text counts. */
function bestOf<H>(texts: readonly string[], choices: ReadonlyMap<string, Choice<H>> | undefined): H | undefined {
  let best: Choice<H> | undefined;
  for (const text of texts) {
    const choice = choices?.get(text);
    if (choice !== undefined && choice.rank > (best?.rank ?? -1)) best = choice;
  }
  return best?.host;
}
