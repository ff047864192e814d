import type { Random } from '../../src/base/runtime.ts';
import { chanceOf } from '../../test/simulation/chance.ts';
import { OnOff, during, errors, modulated, ramp, type FailureProfile } from '../../test/simulation/failure-profiles.ts';
import { baseErrorRatio, workloads } from './protocol.ts';

/** What detectors watch in mode `alone`. */
export interface StreamWorkload {
  readonly name: string;
  readonly title: string;
  readonly hosts: number;
  readonly requestsPerSecond: number;
  /** Failures of each host; where one is at fault, it is host 0, from `faultMs` on. */
  failures(seed: number, faultMs: number): readonly FailureProfile[];
}

const well = errors(baseErrorRatio);

/** Host 0 goes bad, the others stay well. */
function oneBad(
  name: string,
  title: string,
  size: { hosts: number; requestsPerSecond: number },
  bad: (faultMs: number) => FailureProfile,
): StreamWorkload {
  return {
    name,
    title,
    hosts: size.hosts,
    requestsPerSecond: size.requestsPerSecond,
    failures: (_seed, faultMs) => Array.from({ length: size.hosts }, (_, host) => (host === 0 ? bad(faultMs) : well)),
  };
}

function failing(name: string, title: string, size: { hosts: number; requestsPerSecond: number }, ratio: number): StreamWorkload {
  return oneBad(name, title, size, (faultMs) => during(errors(ratio), well, faultMs));
}

const { shares, lowTraffic, threeHosts, hundredHosts, clean, incidents, bursts, sharedDependency } = workloads;

/** One host is at fault: is it found, and when? */
export const faultWorkloads: readonly StreamWorkload[] = [
  ...shares.ratios.map((ratio) => failing(`fail-${ratio * 100}%`, `fails ${ratio * 100} %`, shares, ratio)),
  oneBad('ramp', 'ramp to 60 % in 60 s', workloads.ramp, (startMs) =>
    ramp({ startMs, durationMs: workloads.ramp.durationMs, from: baseErrorRatio, to: workloads.ramp.to }),
  ),
  failing('low-traffic', '30 % at 1 rps a host', lowTraffic, lowTraffic.ratio),
  failing('three-hosts', '30 %, one of 3', threeHosts, threeHosts.ratio),
  failing('hundred-hosts', '20 %, one of 100', hundredHosts, hundredHosts.ratio),
];

function alike(
  name: string,
  title: string,
  profileOf: (host: number, random: Random, shared: Random) => FailureProfile,
): StreamWorkload {
  const { hosts, requestsPerSecond } = clean;
  return {
    name,
    title,
    hosts,
    requestsPerSecond,
    failures: (seed) =>
      Array.from({ length: hosts }, (_, host) => profileOf(host, chanceOf(seed, `host ${host}`), chanceOf(seed, 'shared'))),
  };
}

/** Nobody is at fault: every ejection is a false one. */
export const cleanWorkloads: readonly StreamWorkload[] = [
  ...clean.ratios.map((ratio) => alike(`clean-${ratio * 100}%`, `${ratio * 100} % each`, () => errors(ratio))),
  alike('uneven', '0.5–2 %, by host', (host) =>
    errors(clean.uneven.from + ((clean.uneven.to - clean.uneven.from) * host) / (clean.hosts - 1)),
  ),
  alike('incidents', 'global incidents', () => {
    const bad = incidents.ratios.map((ratio) => errors(ratio));
    return (now, random) => {
      const turn = Math.floor(now / incidents.everyMs);
      // In the middle of each hour, so that the first has a past.
      const isBad = Math.abs((now % incidents.everyMs) - incidents.everyMs / 2) < incidents.forMs / 2;
      return (isBad ? bad[turn % bad.length]! : well)(now, random);
    };
  }),
  alike('bursts', 'bursts of its own', (_host, random) =>
    modulated(new OnOff(bursts, random), errors(bursts.on), errors(bursts.off)),
  ),
  {
    ...alike('shared-dependency', 'shared dependency', () => well),
    failures(seed) {
      // One state for all of them: their errors are correlated.
      const state = new OnOff(sharedDependency, chanceOf(seed, 'dependency'));
      const profile = modulated(state, errors(sharedDependency.on), errors(sharedDependency.off));
      return Array.from({ length: clean.hosts }, () => profile);
    },
  },
];

/** The workloads whose false ejections set the parameters for equal rates. */
export const tuningWorkloads: readonly StreamWorkload[] = cleanWorkloads.filter(
  ({ name }) => name === 'clean-0.5%' || name === 'uneven',
);

/** All hosts fail alike for a minute, from `faultMs` on. */
export const outageWorkloads: readonly StreamWorkload[] = workloads.outages.requestsPerSecond.flatMap((requestsPerSecond) =>
  workloads.outages.ratios.map((ratio) => ({
    name: `outage-${ratio * 100}%-${requestsPerSecond}rps`,
    title: `${ratio * 100} %, ${requestsPerSecond} rps`,
    hosts: workloads.outages.hosts,
    requestsPerSecond,
    failures: (_seed: number, faultMs: number) => {
      const profile = during(errors(ratio), well, faultMs, faultMs + workloads.outages.forMs);
      return Array.from({ length: workloads.outages.hosts }, () => profile);
    },
  })),
);
