import { envoyBinary } from '../envoy-binary.ts';
import type { LiveSuite } from '../suite.ts';
import { goServer } from './go-binary.ts';
import { grpcioFolder } from './grpcio.ts';

/** A go-control-plane server, over State of the World and Delta, with other clients of it beside a mesh. */
export const xdsSuite: LiveSuite = {
  name: 'xds',
  files: [
    'xds/smoke.test.ts',
    'xds/conformance.test.ts',
    'xds/resilience.test.ts',
    'xds/secrets-and-filters.test.ts',
    'xds/bad-input.test.ts',
    'xds/load.test.ts',
    'xds/same-decisions.test.ts',
    'xds/fellows.test.ts',
  ],
  async prepare(log) {
    const built = await goServer('control-plane', log);
    if ('skip' in built) return built;
    // The other clients are the matter of single files, which say what is missing.
    const envoy = await envoyBinary(log);
    if ('skip' in envoy) log(`without Envoy: ${envoy.skip}`);
    const grpcio = await grpcioFolder(log);
    if ('skip' in grpcio) log(`without grpcio: ${grpcio.skip}`);
    return {
      environment: {
        MESHFETCH_LIVE_XDS_CONTROL_PLANE: built.path,
        ...('path' in envoy && { MESHFETCH_LIVE_ENVOY: envoy.path }),
        ...('path' in grpcio && { MESHFETCH_LIVE_GRPCIO: grpcio.path }),
      },
    };
  },
};
