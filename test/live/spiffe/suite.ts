import type { LiveSuite } from '../suite.ts';
import { goServer } from '../xds/go-binary.ts';

/** Identity from a Workload API of go-spiffe, which stands in for a SPIRE agent: SPIRE cannot be had from a module registry. */
export const spiffeSuite: LiveSuite = {
  name: 'spiffe',
  files: ['spiffe/identity.test.ts', 'spiffe/rotation.test.ts', 'spiffe/federation.test.ts', 'spiffe/tokens.test.ts'],
  async prepare(log) {
    const built = await goServer('workload-api', log);
    return 'skip' in built ? built : { environment: { MESHFETCH_LIVE_WORKLOAD_API: built.path } };
  },
};
