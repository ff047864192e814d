import { fileURLToPath } from 'node:url';
import { envoyBinary } from '../envoy-binary.ts';
import { goBinary } from '../go-build.ts';
import type { LiveSuite } from '../suite.ts';

/** A mesh against a real istiod, with Envoy as the peer. */
export const istioSuite: LiveSuite = {
  name: 'istio',
  files: [
    'istio/identity.test.ts',
    'istio/mtls.test.ts',
    'istio/discovery.test.ts',
    'istio/routing.test.ts',
    'istio/resilience.test.ts',
    'istio/outside.test.ts',
    'istio/inbound.test.ts',
    'istio/telemetry.test.ts',
    'istio/retries.test.ts',
    'istio/traffic-policy.test.ts',
    'istio/external.test.ts',
    'istio/kinds-of-services.test.ts',
    'istio/odd-configuration.test.ts',
    'istio/two-meshes.test.ts',
  ],
  async prepare(log) {
    const istiod = await goBinary(
      {
        name: 'istiod-1.31-dev-eed52ebb66ad',
        binary: 'pilot-discovery',
        recipe: fileURLToPath(new URL('.', import.meta.url)),
        package: 'istio.io/istio/pilot/cmd/pilot-discovery',
        takes: 'about ten minutes on two cores',
      },
      log,
    );
    if ('skip' in istiod) return istiod;
    const envoy = await envoyBinary(log);
    if ('skip' in envoy) return envoy;
    return { environment: { MESHFETCH_LIVE_ISTIOD: istiod.path, MESHFETCH_LIVE_ENVOY: envoy.path } };
  },
};
