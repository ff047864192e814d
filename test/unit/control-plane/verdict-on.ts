/** The store's verdict on one resource, for tables of rules. */
import { createConfigStore } from '../../../src/control-plane/store.ts';
import type { ApplyResult } from '../../../src/model/contracts.ts';
import type { Resource, ResourceKind } from '../../../src/model/snapshot.ts';
import { createVirtualClock } from '../../../src/testing/virtual-clock.ts';

/** Applies it to an empty store. The value may be anything: a control plane written in JavaScript can hand over what types forbid. */
export async function verdictOn(kind: ResourceKind, value: unknown, name = 'x'): Promise<ApplyResult> {
  const store = createConfigStore({
    sources: ['test'],
    clock: createVirtualClock(),
    policyNames: ['least-request', 'round-robin'],
    checkPolicyOptions({ options }, path) {
      if (options !== undefined && Object.hasOwn(options, 'choices') && options['choices'] !== 2)
        throw new RangeError(`${path}.choices must be 2`);
    },
    onSnapshot: () => {},
  });
  return store.sink('test').apply({ version: '1', set: [{ kind, name, value } as unknown as Resource], remove: [] });
}
