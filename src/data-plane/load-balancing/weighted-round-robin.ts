import type { Random } from '../../base/runtime.ts';
import type { HostSet, HostSetChange, LoadBalancingPolicy, PickableHost, PickContext, Picker } from '../../model/contracts.ts';
import { EdfSchedule } from './edf-schedule.ts';
import { weightsOf } from './host-weights.ts';
import { noOptions } from './policy-options.ts';
import { createStrideSchedule, type StrideSchedule } from './stride-schedule.ts';
import { isTried, nextUntried, redraws } from './tried-hosts.ts';

/** Each host as often as its weight says, well mixed: of weights 3 and 1 the order is never 3 of one and then 1 of the other. */
export const weightedRoundRobin: LoadBalancingPolicy<undefined> = {
  name: 'weighted-round-robin',
  doc: 'Each host as often as its weight says, interleaved.',
  options: noOptions,
  build: (hosts, _options, random, previous) => buildWeighted(hosts, random, previous),
};

/** A picker by weight; it goes on at the turn of `previous` where that was one. */
export function buildWeighted(hosts: HostSet, random: Random, previous: Picker | undefined): Picker {
  const weights = weightsOf(hosts);
  const stride = createStrideSchedule(weights, random);
  if (stride === undefined) return new SchedulePicker(hosts, new EdfTurns(weights, random));
  if (previous instanceof SchedulePicker && previous.schedule instanceof stride.constructor)
    stride.continueAfter(previous.schedule as StrideSchedule);
  return new SchedulePicker(hosts, stride);
}

interface Turns {
  next(): number;
  follow(change: HostSetChange): boolean;
}

class SchedulePicker implements Picker {
  readonly schedule: Turns;
  private hosts: HostSet;
  constructor(hosts: HostSet, schedule: Turns) {
    this.hosts = hosts;
    this.schedule = schedule;
  }

  pick(context: PickContext): PickableHost | undefined {
    const { hosts, schedule } = this;
    if (hosts.length === 0) return undefined;
    let index = schedule.next();
    if (context.tried.length === 0) return hosts[index];
    for (let turns = 0; turns < redraws && isTried(context.tried, hosts[index]!); turns++) index = schedule.next();
    if (!isTried(context.tried, hosts[index]!)) return hosts[index];
    const untried = nextUntried(hosts, Math.floor(context.random() * hosts.length), context.tried);
    return hosts[untried === -1 ? index : untried];
  }

  follow(change: HostSetChange): boolean {
    if (!this.schedule.follow(change)) return false;
    this.hosts = change.hosts;
    return true;
  }
}

/** For weights that are too far apart for strides. */
class EdfTurns implements Turns {
  private readonly schedule: EdfSchedule;
  private weights: Float64Array;
  constructor(weights: Float64Array, random: Random) {
    this.weights = weights;
    this.schedule = new EdfSchedule(weights, random);
  }

  follow(change: HostSetChange): boolean {
    const weights = this.schedule.follow(this.weights, change);
    if (weights === undefined) return false;
    this.weights = weights;
    return true;
  }

  next(): number {
    const index = this.schedule.first();
    this.schedule.postpone(this.weights[index]!);
    return index;
  }
}
