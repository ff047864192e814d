import { envoyBinary } from '../envoy-binary.ts';
import type { LiveSuite } from '../suite.ts';

/** The same requests through a real Envoy and through meshfetch. */
export const envoySuite: LiveSuite = {
  name: 'envoy',
  files: [
    '../oracle/oracle.test.ts',
    '../oracle/generated-retries.test.ts',
    'envoy/affinity.test.ts',
    'envoy/authorization.test.ts',
    'envoy/filter-chains.test.ts',
    'envoy/health-checks.test.ts',
    'envoy/listen.test.ts',
    'envoy/token-check.test.ts',
    'envoy/zone-aware.test.ts',
  ],
  async prepare(log) {
    const found = await envoyBinary(log);
    return 'skip' in found ? found : { environment: { MESHFETCH_LIVE_ENVOY: found.path } };
  },
};
