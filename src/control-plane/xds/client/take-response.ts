import type { AdsResponse, ReceivedResource, RefusedResource } from './contract.ts';
import { wants, type Subscription } from './subscriptions.ts';

const nobody: ReadonlySet<string> = new Set();

/** What a response did to a subscription. */
export interface Taken {
  readonly accepted: readonly ReceivedResource[];
  /** Names that were asked for, that the server says it has not, and that it never had. */
  readonly unknown: readonly string[];
}

/**
 * Notes in the subscription what a checked response brought and took away. `refused` is what the check refused: that changes nothing,
 * its last good version, if any, is still in force. What was left since the check began is not noted: it was thrown away.
 */
export function takeResponse(
  subscription: Subscription,
  response: AdsResponse,
  refused: readonly RefusedResource[],
  left: ReadonlySet<string> = nobody,
): Taken {
  const { wanted, inForce, restored, absent } = subscription;
  const refusedNames = new Set(refused.map(({ name }) => name));
  const accepted = response.resources.filter(({ name }) => !refusedNames.has(name) && !left.has(name));
  subscription.hasAnswer = wanted.size > 0;
  for (const { name } of accepted) {
    if (!wants(subscription, name)) continue;
    inForce.add(name);
    restored.delete(name);
    absent.delete(name);
  }
  // A part without a name may be any of those that seem to be gone.
  if (response.isWhole && !response.broken.some(({ name }) => name === '')) {
    const present = new Set([...response.resources, ...response.broken].map(({ name }) => name));
    for (const name of restored) if (!present.has(name)) restored.delete(name);
    for (const name of inForce) {
      if (present.has(name)) continue;
      inForce.delete(name);
      if (wanted.has(name)) absent.add(name);
    }
  }
  const unknown: string[] = [];
  for (const name of response.removed) {
    restored.delete(name);
    if (inForce.delete(name) || !wanted.has(name)) continue;
    unknown.push(name);
  }
  for (const name of response.removed) if (wanted.has(name)) absent.add(name);
  return { accepted, unknown };
}
