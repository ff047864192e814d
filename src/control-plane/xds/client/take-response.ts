import type { AdsResponse, ReceivedResource, RefusedResource } from './contract.ts';
import { wants, type Subscription } from './subscriptions.ts';

/** What a response did to a subscription. */
export interface Taken {
  readonly accepted: readonly ReceivedResource[];
  /** Names that were asked for, that the server says it has not, and that it never had. */
  readonly unknown: readonly string[];
}

/**
 * Notes in the subscription what a checked response brought and took away. A refused resource changes nothing: its last good version,
 * if any, is still in force. What was unsubscribed from in the meantime is not noted.
 */
export function takeResponse(subscription: Subscription, response: AdsResponse, refused: readonly RefusedResource[]): Taken {
  const { wanted, inForce, absent } = subscription;
  const refusedNames = new Set(refused.map(({ name }) => name));
  const accepted = response.resources.filter(({ name }) => !refusedNames.has(name));
  subscription.hasAnswer = wanted.size > 0;
  for (const { name } of accepted) {
    if (!wants(subscription, name)) continue;
    inForce.add(name);
    absent.delete(name);
  }
  if (response.isWhole) {
    const present = new Set([...response.resources.map(({ name }) => name), ...refusedNames]);
    for (const name of inForce) {
      if (present.has(name)) continue;
      inForce.delete(name);
      if (wanted.has(name)) absent.add(name);
    }
  }
  const unknown: string[] = [];
  for (const name of response.removed) {
    if (inForce.delete(name) || !wanted.has(name)) continue;
    unknown.push(name);
  }
  for (const name of response.removed) if (wanted.has(name)) absent.add(name);
  return { accepted, unknown };
}
