import type { LiveSuite } from '../suite.ts';
import { goServer } from './go-binary.ts';

/** A go-control-plane server, over State of the World and Delta. */
export const xdsSuite: LiveSuite = {
  name: 'xds',
  files: ['xds/smoke.test.ts', 'xds/conformance.test.ts', 'xds/resilience.test.ts', 'xds/bad-input.test.ts', 'xds/load.test.ts'],
  async prepare(log) {
    const built = await goServer('control-plane', log);
    return 'skip' in built ? built : { environment: { MESHFETCH_LIVE_XDS_CONTROL_PLANE: built.path } };
  },
};
