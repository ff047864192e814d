import type { HostSet, LoadBalancingPolicy, OptionsSchema, PickableHost, PickContext, Picker } from 'meshfetch';

//#region options
interface FirstChoiceOptions {
  readonly maxInFlight: number;
}

const options: OptionsSchema<FirstChoiceOptions> = {
  parse(given, path) {
    for (const key of Object.keys(given ?? {}))
      if (key !== 'maxInFlight') throw new Error(`${path}.${key} is not an option of the policy; it has maxInFlight`);
    const maxInFlight = given?.['maxInFlight'] ?? 100;
    if (typeof maxInFlight !== 'number' || !(maxInFlight >= 1))
      throw new Error(`${path}.maxInFlight is ${JSON.stringify(maxInFlight)}; it must be a number from 1`);
    return { maxInFlight };
  },
  fields: [
    {
      name: 'maxInFlight',
      type: 'number ≥ 1',
      default: '100',
      doc: 'Requests in flight at which the next host in the list is used.',
    },
  ],
};
//#endregion

//#region policy
/** The first host of the list as long as it can take more; then the second, and so on. */
export const firstChoice: LoadBalancingPolicy<FirstChoiceOptions> = {
  name: 'first-choice',
  doc: 'The first host of the list until it is full, then the next.',
  options,
  build: (hosts, { maxInFlight }) => new FirstChoicePicker(hosts, maxInFlight),
};
//#endregion

//#region picker
class FirstChoicePicker implements Picker {
  private readonly hosts: HostSet;
  private readonly maxInFlight: number;

  constructor(hosts: HostSet, maxInFlight: number) {
    this.hosts = hosts;
    this.maxInFlight = maxInFlight;
  }

  pick({ tried }: PickContext): PickableHost | undefined {
    let fallback: PickableHost | undefined;
    for (const host of this.hosts) {
      if (tried.includes(host)) continue;
      if (host.inFlight < this.maxInFlight) return host;
      fallback ??= host;
    }
    return fallback ?? this.hosts[0];
  }
}
//#endregion
