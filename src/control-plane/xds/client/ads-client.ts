/**
 * The client of aggregated discovery (ADS): what is wanted, which of the servers brings it, and what has not come. It keeps no
 * resources. Servers are asked in the order of their list (gRFC A71): the next one is tried when those before it failed and something
 * that is wanted was never received; it is left as soon as an earlier one answers again. What is in force stays until the server that
 * serves sends something else.
 */
import { afterReading, type Clock, type Random } from '../../../base/runtime.ts';
import { grpcCodes } from '../../../wire/grpc-client.ts';
import type { AdsClient, AdsListener, AdsResponse, RefusedResource, TypeUrl } from './contract.ts';
import type { XdsServer } from './credentials.ts';
import { typeName, type DiscoveryResponse } from './discovery-responses.ts';
import { statusOf } from './link-status.ts';
import { createNamedTimers } from './named-timers.ts';
import { nodeMessage, type NodeConfig } from './node.ts';
import { ServerLink, type LinkHost } from './server-link.ts';
import type { XdsVariant } from './stream-protocol.ts';
import { createSubscriptions, everything, isAwaited, wants, wholeTypes } from './subscriptions.ts';
import { takeResponse } from './take-response.ts';

/** What a client is made of. */
export interface AdsOptions {
  /** The first one that works is used. */
  readonly servers: readonly XdsServer[];
  readonly node: NodeConfig;
  /** Left out: delta, and the state of the world with a server that says it has no delta. */
  readonly variant?: XdsVariant;
  readonly clock: Clock;
  readonly random: Random;
  /** How long a connected server may take to send a resource. Default 15 s: Envoy's and gRPC's value. */
  readonly resourceTimeoutMs?: number;
  /** HTTP/2 pings. Default every 30 s, with 10 s for the answer. */
  readonly keepAlive?: { readonly intervalMs: number; readonly timeoutMs: number };
  /** Of a response. Default 64 MiB. */
  readonly maxMessageBytes?: number;
  readonly connectTimeoutMs?: number;
}

const defaultResourceTimeoutMs = 15_000;
/** gRFC A88: where the timer says nothing about existence, the server gets more time. */
const transientTimeoutMs = 30_000;
const transientFeature = 'resource_timer_is_transient_error';
/** Codes with which a server says that there is no such resource for us: NOT_FOUND, PERMISSION_DENIED. Source: gRFC A88. */
const absentCodes: ReadonlySet<number> = new Set([grpcCodes.notFound, grpcCodes.permissionDenied]);
const defaultKeepAlive = { intervalMs: 30_000, timeoutMs: 10_000 } as const;

/** A client of the servers. Throws a RangeError when there is none. */
export function createAdsClient(options: AdsOptions): AdsClient {
  const { clock } = options;
  if (options.servers.length === 0) throw new RangeError('an xDS client needs a server');
  const subscriptions = createSubscriptions();
  const expiries = createNamedTimers(clock);
  const changed = new Set<TypeUrl>();
  /** Of each response that is being checked, the names that were left since. */
  const leftInChecks = new Map<DiscoveryResponse, Set<string>>();
  let isFlushing = false;
  let listener: AdsListener | undefined;
  let lastStatus = '';
  /** Settles when the listener has taken the last response. */
  let turn: Promise<unknown> = Promise.resolve();

  const report = (): void => {
    if (listener === undefined) return;
    const status = statusOf(links.filter((link) => link.isRunning).map((link) => link.report));
    const text = JSON.stringify(status);
    if (text === lastStatus) return;
    lastStatus = text;
    listener.onStatus(status);
  };

  const fallBack = (): void => {
    if (listener === undefined || !subscriptions.isMissing()) return;
    for (const link of links) {
      if (!link.isRunning) {
        link.start();
        return;
      }
      if (!link.hasFailed) return;
    }
  };

  const absent = (typeUrl: TypeUrl, name: string, reason: string): void => {
    subscriptions.of(typeUrl).absent.add(name);
    listener?.onAbsent(typeUrl, name, reason);
    for (const link of links) link.rest();
  };

  /** A server that stands has let the time run out. */
  const overdue = (link: ServerLink, typeUrl: TypeUrl, name: string, timeoutMs: number): void => {
    const what = name === everything ? `any ${typeName(typeUrl)}` : `${typeName(typeUrl)} ${name}`;
    const reason = `${link.server.address} did not send ${what} within ${timeoutMs / 1000} s`;
    const isSilent = !link.isServing && link !== links.at(-1);
    if (isSilent) link.silent();
    if (isSilent || name === everything || link.server.features?.has(transientFeature)) link.warn(typeUrl, reason);
    else if (isAwaited(subscriptions.of(typeUrl), name)) absent(typeUrl, name, reason);
    fallBack();
  };

  const onAsked: LinkHost['onAsked'] = (link, typeUrl) => {
    const subscription = subscriptions.of(typeUrl);
    const isTransient = link.server.features?.has(transientFeature) ?? false;
    const timeoutMs = isTransient ? transientTimeoutMs : (options.resourceTimeoutMs ?? defaultResourceTimeoutMs);
    for (const name of subscription.wanted) {
      const isMissing = name === everything ? !subscription.hasAnswer : isAwaited(subscription, name);
      if (isMissing && !link.awaited.has(typeUrl, name))
        link.awaited.set(typeUrl, name, timeoutMs, () => overdue(link, typeUrl, name, timeoutMs));
    }
  };

  const deliver = (response: AdsResponse): Promise<readonly RefusedResource[]> => {
    const taken = turn
      .then(() => listener?.onResponse(response) ?? [])
      .catch((error: unknown) => {
        const reason = `it could not be checked: ${error instanceof Error ? error.message : String(error)}`;
        return response.resources.map(({ name }) => ({ name, reason }));
      });
    turn = taken;
    return taken;
  };

  const check: LinkHost['check'] = async (link, response, variant) => {
    const { typeUrl } = response;
    settle(response);
    link.warn(typeUrl, undefined);
    const subscription = subscriptions.of(typeUrl);
    const isWhole = variant === 'state-of-the-world' && wholeTypes.has(typeUrl);
    const asked = {
      typeUrl,
      version: response.version,
      isWhole,
      resources: response.resources.filter(({ name }) => wants(subscription, name)),
      removed: response.removed.filter((name) => wants(subscription, name)),
      broken: response.broken,
    };
    const left = new Set<string>();
    leftInChecks.set(response, left);
    const refused = await deliver(asked);
    leftInChecks.delete(response);
    const { accepted, unknown } = takeResponse(subscription, asked, refused, left);
    if (accepted.length + asked.removed.length > 0) for (const other of links) if (other !== link) other.memory.clear(typeUrl);
    for (const name of unknown) listener?.onAbsent(typeUrl, name, `${link.server.address} says that it does not exist`);
    for (const { name, code, message } of response.errors) {
      if (!wants(subscription, name)) continue;
      const reason = `${link.server.address} cannot give ${typeName(typeUrl)} ${name}: ${message}`;
      if (!absentCodes.has(code)) link.warn(typeUrl, reason);
      else if (!subscription.inForce.has(name)) absent(typeUrl, name, reason);
    }
    for (const { name, ttlMs } of [...asked.resources, ...response.heartbeats]) expireAfter(typeUrl, name, ttlMs);
    return { accepted, refused: [...response.broken, ...refused] };
  };

  /** What a response speaks of is awaited no more, from no server. */
  const settle = ({ typeUrl, resources, broken, removed, errors }: DiscoveryResponse): void => {
    for (const { awaited } of links) {
      awaited.cancel(typeUrl, everything);
      for (const { name } of resources) awaited.cancel(typeUrl, name);
      for (const { name } of broken) awaited.cancel(typeUrl, name);
      for (const { name } of errors) awaited.cancel(typeUrl, name);
      for (const name of removed) awaited.cancel(typeUrl, name);
    }
  };

  const expireAfter = (typeUrl: TypeUrl, name: string, ttlMs: number | undefined): void => {
    if (ttlMs === undefined || !subscriptions.of(typeUrl).inForce.has(name)) {
      expiries.cancel(typeUrl, name);
      return;
    }
    expiries.set(typeUrl, name, ttlMs, () => {
      subscriptions.of(typeUrl).inForce.delete(name);
      for (const { memory } of links) memory.forget(typeUrl, name);
      void deliver({ typeUrl, version: '', isWhole: false, resources: [], removed: [name], broken: [] });
    });
  };

  /** At once: whoever leaves a resource throws it away, and may want it again before anything was sent. */
  const forget = (typeUrl: TypeUrl, left: string): void => {
    const subscription = subscriptions.of(typeUrl);
    if (!subscription.wanted.has(everything)) subscription.hasAnswer = false;
    for (const { awaited } of links) awaited.cancel(typeUrl, left);
    const isAll = left === everything;
    if (isAll) for (const link of links) link.lose(typeUrl, left);
    for (const name of isAll ? [...subscription.inForce, ...subscription.restored] : [left]) {
      if (wants(subscription, name)) continue;
      subscription.inForce.delete(name);
      subscription.restored.delete(name);
      subscription.absent.delete(name);
      expiries.cancel(typeUrl, name);
      for (const [response, names] of leftInChecks) if (response.typeUrl === typeUrl) names.add(name);
      for (const link of links) {
        link.memory.forget(typeUrl, name);
        link.lose(typeUrl, name);
      }
    }
  };

  const flush = (): void => {
    isFlushing = false;
    for (const typeUrl of changed) for (const link of links) link.ask(typeUrl);
    changed.clear();
    for (const link of links) link.rest();
    fallBack();
  };

  const change = (typeUrl: TypeUrl): void => {
    changed.add(typeUrl);
    if (isFlushing) return;
    isFlushing = true;
    afterReading(clock, flush);
  };

  const host: LinkHost = {
    subscriptions,
    clock,
    random: options.random,
    node: nodeMessage(options.node),
    variant: options.variant,
    connection: {
      keepAlive: options.keepAlive ?? defaultKeepAlive,
      ...(options.maxMessageBytes !== undefined && { maxMessageBytes: options.maxMessageBytes }),
      ...(options.connectTimeoutMs !== undefined && { connectTimeoutMs: options.connectTimeoutMs }),
    },
    onServing: (link) => {
      for (const later of links.slice(links.indexOf(link) + 1)) later.stop();
      report();
    },
    onFailure: fallBack,
    onAsked,
    onReport: report,
    check,
  };
  const links = options.servers.map((server) => new ServerLink(server, host));

  return {
    subscribe(typeUrl, name) {
      const { wanted } = subscriptions.of(typeUrl);
      if (wanted.has(name)) return;
      wanted.add(name);
      change(typeUrl);
    },
    unsubscribe(typeUrl, name) {
      if (!subscriptions.of(typeUrl).wanted.delete(name)) return;
      forget(typeUrl, name);
      change(typeUrl);
    },
    restored(typeUrl, names) {
      const { inForce, restored } = subscriptions.of(typeUrl);
      for (const name of names) if (!inForce.has(name)) restored.add(name);
      for (const link of links) link.renew(typeUrl);
    },
    async run(to, signal) {
      if (listener !== undefined) throw new TypeError('the xDS client runs already');
      if (signal.aborted) return;
      listener = to;
      links[0]!.start();
      report();
      await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      expiries.clear();
      for (const link of links) link.stop();
      listener = undefined;
      await turn;
    },
  };
}
