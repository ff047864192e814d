import { typeUrls, type TypeUrl } from './contract.ts';

/** The name that subscribes to all of a kind. */
export const everything = '*';

/** What is wanted of one kind, and what has come of it from whichever server. */
export interface Subscription {
  readonly wanted: Set<string>;
  /** Names of resources that were accepted and are not gone. */
  readonly inForce: Set<string>;
  /** Names of resources that are in use without ever having come from a server. */
  readonly restored: Set<string>;
  /** Names that a server does not have, as far as is known. */
  readonly absent: Set<string>;
  /** Whether any response about the kind was taken. */
  hasAnswer: boolean;
}

/** The subscriptions of a client. */
export interface Subscriptions {
  of(typeUrl: TypeUrl): Subscription;
  types(): Iterable<TypeUrl>;
  /** Whether something is wanted that no server has sent or denied. */
  isMissing(): boolean;
}

/** State-of-the-world responses of these kinds are whole, and an empty first request is a subscription to all. Source: the xDS protocol. */
export const wholeTypes: ReadonlySet<TypeUrl> = new Set([typeUrls.listener, typeUrls.cluster]);

/** Subscriptions to nothing. */
export function createSubscriptions(): Subscriptions {
  const types = new Map<TypeUrl, Subscription>();
  return {
    of(typeUrl) {
      const known = types.get(typeUrl);
      if (known !== undefined) return known;
      const fresh: Subscription = {
        wanted: new Set(),
        inForce: new Set(),
        restored: new Set(),
        absent: new Set(),
        hasAnswer: false,
      };
      types.set(typeUrl, fresh);
      return fresh;
    },
    types: () => types.keys(),
    isMissing: () => types.values().some(isMissing),
  };
}

/** Whether the name is wanted and neither here nor known to be nowhere. */
export function isAwaited(subscription: Subscription, name: string): boolean {
  return name !== everything && !subscription.inForce.has(name) && !subscription.absent.has(name);
}

/** Whether the subscription asks for a resource of that name. */
export function wants(subscription: Subscription, name: string): boolean {
  return subscription.wanted.has(name) || subscription.wanted.has(everything);
}

/** Whether all that is wanted by name is accounted for. */
export function isComplete(subscription: Subscription): boolean {
  for (const name of subscription.wanted) if (isAwaited(subscription, name)) return false;
  return true;
}

function isMissing(subscription: Subscription): boolean {
  if (subscription.wanted.has(everything) && !subscription.hasAnswer) return true;
  return !isComplete(subscription);
}
