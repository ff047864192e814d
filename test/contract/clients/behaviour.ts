import type { Client, ClientFamily } from './client.ts';
import type { Setting } from './setting.ts';

/** Why a behaviour cannot apply to clients, by their name or their family. */
export type NotFor = Readonly<Record<string, string>>;

/** Something that holds whichever client is used. */
export interface Behaviour {
  /** In kebab case. */
  readonly name: string;
  /** One sentence for the reference page. */
  readonly says: string;
  readonly notFor?: NotFor;
  /** Real upstreams, a real mesh and the client; throws where it does not hold. */
  check(setting: Setting): Promise<void>;
}

/** Behaviours about one thing. */
export interface Subject {
  readonly title: string;
  readonly behaviours: readonly Behaviour[];
}

/** Why this behaviour does not apply to this client; undefined = it does. */
export function reasonAgainst(behaviour: Behaviour, client: Client): string | undefined {
  return behaviour.notFor?.[client.name] ?? behaviour.notFor?.[client.family satisfies ClientFamily];
}
