/** A filter chain: what a connection of this kind meets. */
import type { AuthorizationPolicyConfig } from '../../../../model/authorization.ts';
import type { FilterChainConfig } from '../../../../model/listener.ts';
import type { Message } from '../message.ts';
import { Access } from './access.ts';
import { chainMatchFrom } from './chain-match.ts';
import { inboundManagerFrom, type ManagerConfig } from './connection-manager.ts';
import { downstreamSocketFrom } from './downstream-tls.ts';
import { filterEntry } from './filter-config.ts';
import type { InboundOptions } from './listener.ts';
import { refusal } from './rbac.ts';

/** A chain and the port of the app that it is for; undefined = all. */
export interface ReadChain {
  readonly port: number | undefined;
  readonly chain: FilterChainConfig;
  /** Whether the handshake is made here. */
  readonly terminatesTls: boolean;
}

/** Reads a `FilterChain`; `fallbackName` is for one without a name. */
export function filterChainFrom(message: Message, fallbackName: string, options: InboundOptions): ReadChain {
  const name = message.name('name') ?? fallbackName;
  const { port, match, missing } = chainMatchFrom(message.message('filter_chain_match'));
  const tls = downstreamSocketFrom(message.message('transport_socket'), options.tls);
  message.skip('transport_socket_connect_timeout', 'metadata');
  if (message.flag('use_proxy_proto') === true) {
    message.note('use_proxy_proto', 'the PROXY protocol is not read, so that the chain refuses every request');
  }
  const { manager, isServed, connection } = networkFilters(message, name, options);
  const refuses = missing.length > 0 || message.flag('use_proxy_proto') === true || !isServed;
  const authorization = refuses ? [refusal(name)] : (manager?.authorization ?? []);
  const connectionAuthorization = refuses && manager === undefined ? [refusal(name)] : connection;
  return {
    port,
    terminatesTls: tls !== undefined,
    chain: {
      name,
      match,
      ...(tls !== undefined && { tls }),
      ...(manager ?? { protocol: tls === undefined && match.transport === 'tls' ? 'tls' : 'opaque' }),
      authorization,
      ...(connectionAuthorization.length > 0 && { connectionAuthorization }),
    },
  };
}

const isManager = /HttpConnectionManager$|http_connection_manager$/;
/** Leads the bytes of a connection to the app as they are. */
const isTcpProxy = /TcpProxy$|tcp_proxy$/;
/** Istio's cluster for what goes nowhere. */
const blackHole = 'BlackHoleCluster';
/** They say something about connections and keep none out. */
const harmless = /stats|sni_cluster|set_filter_state/i;
/** Peers exchange metadata by it under a protocol that is never chosen here; over HTTP they have headers. */
const unused = /metadata_?exchange/i;

interface NetworkFilters {
  readonly manager: ManagerConfig | undefined;
  /** Whether the app gets the connections. */
  readonly isServed: boolean;
  /** Who may connect. */
  readonly connection: readonly AuthorizationPolicyConfig[];
}

function networkFilters(chain: Message, name: string, options: InboundOptions): NetworkFilters {
  const access = new Access();
  let manager: ManagerConfig | undefined;
  let hasProxy = false;
  let leadsToApp = false;
  for (const message of chain.messages('filters')) {
    const { name: filter, config } = filterEntry(message, options.extension);
    const what = config === undefined || config.type === '' ? filter : config.type;
    if (config === undefined)
      access.refuse(message, filter, 'its configuration is not there yet, so that every connection is refused');
    else if (isManager.test(what) && manager === undefined)
      manager = inboundManagerFrom(config.message, {
        surroundings: options.surroundings ?? {},
        extension: options.extension,
        routeTable: options.routeTable,
        name: `${name} routes`,
      });
    else if (/filters\.network\.rbac\b/.test(what)) access.addRules(config.message, filter);
    else if (/filters\.network\.ext_authz\b/.test(what)) access.addAuthorizer(config.message, filter);
    else {
      const isProxy = isTcpProxy.test(what);
      hasProxy ||= isProxy;
      leadsToApp ||= isProxy && config.message.name('cluster') !== blackHole;
      config.message.markRead();
      if (isProxy || unused.test(what)) continue;
      if (harmless.test(what)) message.findings.note(message.path, `the filter ${what} is not carried out`);
      else access.refuse(message, filter, `the filter ${what} is not carried out, so that every connection is refused`);
    }
  }
  const isServed = manager !== undefined || leadsToApp;
  if (!isServed && !hasProxy) chain.findings.note(chain.path, 'leads no connection to the app, so that every one is refused');
  const { authorization, externalAuthorizers } = access.config();
  const merged =
    externalAuthorizers === undefined || manager === undefined
      ? manager
      : { ...manager, externalAuthorizers: [...(manager.externalAuthorizers ?? []), ...externalAuthorizers] };
  return { manager: merged, isServed, connection: authorization };
}
