/** A process that makes one table of hashes while its event loop goes round, and says how long the longest turn was. */
import { systemRandom, yieldToLoop } from '../../src/base/runtime.ts';
import { loadBalancingPolicies } from '../../src/data-plane/load-balancing/index.ts';
import type { TableSlot } from '../../src/data-plane/load-balancing/hash-table.ts';
import type { PickableHost, Picker } from '../../src/model/contracts.ts';
import { serveParent } from '../child-process.ts';

/** What is built meanwhile; nothing when `policy` is empty. */
export interface StallQuestion {
  readonly policy: '' | 'ring-hash' | 'maglev';
  readonly hosts: number;
  readonly options: Readonly<Record<string, number>>;
}

/** Longest turn of the event loop, and how long all of them took together. */
export interface StallMeasurement {
  readonly longestMs: number;
  readonly tookMs: number;
}

/** As long as nothing is built. */
const idleMs = 300;
const context = { tried: [], hash: { high: 1, low: 2 }, random: systemRandom, now: 0 };

serveParent(async ({ policy, hosts: count, options }: StallQuestion): Promise<StallMeasurement> => {
  if (policy === '') return turns((sinceMs) => sinceMs >= idleMs);
  const balancing = loadBalancingPolicies.get(policy)!;
  const hosts: readonly PickableHost[] = Array.from({ length: count }, (_, index) => ({
    address: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}:8080`,
    weight: 1,
    inFlight: 0,
  }));
  const parsed = balancing.options.parse(options, policy);
  // The compiler's work is not the table's: a process that has one has made tables before.
  await made(balancing.build(hosts.slice(0, count >> 1), parsed, systemRandom));
  await turns((sinceMs) => sinceMs >= idleMs);
  const before = performance.now();
  const picker = balancing.build(hosts, parsed, systemRandom);
  picker.pick(context);
  const beginMs = performance.now() - before;
  const { longestMs, tookMs } = await made(picker);
  return { longestMs: Math.max(beginMs, longestMs), tookMs: beginMs + tookMs };
});

/** Goes round until the table of the picker is there. */
function made(picker: Picker): Promise<StallMeasurement> {
  const { slot } = picker as unknown as { readonly slot: TableSlot };
  return turns(() => slot.current() !== undefined);
}

async function turns(isOver: (sinceMs: number) => boolean): Promise<StallMeasurement> {
  const startMs = performance.now();
  let turnMs = startMs;
  let longestMs = 0;
  for (;;) {
    await yieldToLoop();
    const now = performance.now();
    longestMs = Math.max(longestMs, now - turnMs);
    turnMs = now;
    if (isOver(now - startMs)) return { longestMs, tookMs: now - startMs };
  }
}
