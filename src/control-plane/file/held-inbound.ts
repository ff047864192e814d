/**
 * What a file said of ports and says no more. A line that is lost in an edit, or a file that is read half written, must open no port: the
 * last policy of a port holds until the file speaks of it again, be it with `mode: permissive` and no rules.
 */
import type { InboundListenerConfig } from '../../model/listener.ts';
import type { Problem } from '../../model/contracts.ts';
import type { Resource } from '../../model/snapshot.ts';

type Listener = Extract<Resource, { kind: 'listener' }>;
type Way = Listener & { readonly value: InboundListenerConfig };

/** The ways in of one file over its life. */
export class HeldInbound {
  private last: readonly Way[] = [];

  /** Whether there is one. */
  get hasAny(): boolean {
    return this.last.length > 0;
  }

  /** Those of before that hold on beside the resources of a new version, and what is said of it. */
  hold(resources: readonly Resource[]): { readonly held: readonly Resource[]; readonly warnings: readonly Problem[] } {
    const spoken = resources.filter(isWayIn);
    const ports = new Set(spoken.map(({ value }) => value.port));
    // What is said of all ports is said of each of them.
    const held = ports.has(undefined) ? [] : this.last.filter(({ value }) => !ports.has(value.port));
    this.last = [...spoken, ...held];
    const warnings = held.map(({ name, value }): Problem => ({
      key: { kind: 'listener', name },
      path: 'inbound',
      reason: reasonOf(name, value.port),
    }));
    return { held, warnings };
  }
}

function isWayIn(resource: Resource): resource is Way {
  return resource.kind === 'listener' && resource.value.direction === 'inbound';
}

function reasonOf(name: string, port: number | undefined): string {
  const what = port === undefined ? 'ports' : `port ${port}`;
  const item = port === undefined ? 'inbound: { mode: permissive }' : `an item with "port: ${port}" and "mode: permissive"`;
  return `says nothing of ${what} any more: the last policy of "${name}" stays in force; to let everybody in, write ${item}`;
}
