import type { Target, Verdict } from '../targets.ts';
import { faultKey, faults, type FaultName } from './fault-table.ts';

/** Of a body that was cut the first ones are lost until the endpoint is out: nobody keeps a response back to see whether it ends. */
const truncationRatio = 0.0025;

/** Under Envoy's own policy no more calls are lost than by Envoy in the same minute. */
function lostAtMost(fault: FaultName, title: string): Target {
  return (figures) => {
    const own = figures.get(faultKey(fault, 'mesh-full', 'lost'));
    const envoy = figures.get(faultKey(fault, 'envoy', 'lost'));
    if (own === undefined || envoy === undefined) return undefined;
    const limit = Math.max(envoy.value, fault === 'truncated' ? truncationRatio : 0);
    return verdict(
      `lost calls, ${title}: meshfetch ≤ Envoy`,
      own.value <= limit,
      `${percent(own.value)}, Envoy ${percent(envoy.value)}`,
    );
  };
}

/** What retries add to a service whose endpoints all fail. */
const amplification: Target = (figures) => {
  const own = figures.get(faultKey('all-503', 'mesh-defaults', 'amplification'));
  if (own === undefined) return undefined;
  return verdict('attempts a call when all fail, defaults ≤ 1.2', own.value <= 1.2, own.value.toFixed(2));
};

/** Targets of the benchmark `faults`; reported, since they depend on what else the machine does. */
export const faultTargets: readonly Target[] = [
  ...faults.filter(({ name }) => name !== 'all-503').map(({ name, title }) => lostAtMost(name, title)),
  amplification,
];

const percent = (ratio: number): string => `${(ratio * 100).toFixed(2)} %`;

function verdict(target: string, isMet: boolean, found: string): Verdict {
  return { target, found, result: isMet ? 'met' : 'missed', isGate: false };
}
