import { fileURLToPath } from 'node:url';
import { goBinary } from '../go-build.ts';
import type { LiveSuite } from '../suite.ts';

/** Service discovery against real Consul agents. */
export const consulSuite: LiveSuite = {
  name: 'consul',
  files: ['consul/discovery.test.ts', 'consul/restart.test.ts', 'consul/acl.test.ts', 'consul/mesh.test.ts'],
  async prepare(log) {
    const built = await goBinary(
      {
        name: 'consul-1.22.7',
        binary: 'consul',
        recipe: fileURLToPath(new URL('.', import.meta.url)),
        package: 'github.com/hashicorp/consul',
        takes: 'about six minutes on two cores',
      },
      log,
    );
    return 'skip' in built ? built : { environment: { MESHFETCH_LIVE_CONSUL: built.path } };
  },
};
