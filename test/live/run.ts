/**
 * `npm run live [-- suite …]`: tests against real control planes, on loopback, without containers. Each suite builds what it needs
 * into a cache outside the clone, and says why when it cannot run; MESHFETCH_LIVE_REQUIRE=1 makes that a failure.
 */
import { fileURLToPath } from 'node:url';
import { reportUnsteady, runFiles, type Counts } from '../support/run-files.ts';
import type { LiveSuite } from './suite.ts';

/** A suite is one line here. */
const suites: Readonly<Record<string, () => Promise<LiveSuite>>> = {
  consul: async () => (await import('./consul/suite.ts')).consulSuite,
  envoy: async () => (await import('./envoy/suite.ts')).envoySuite,
  istio: async () => (await import('./istio/suite.ts')).istioSuite,
  prometheus: async () => (await import('./prometheus/suite.ts')).prometheusSuite,
  spiffe: async () => (await import('./spiffe/suite.ts')).spiffeSuite,
  xds: async () => (await import('./xds/suite.ts')).xdsSuite,
};

function runSuite(suite: LiveSuite, environment: Readonly<Record<string, string>>): Promise<Counts> {
  Object.assign(process.env, environment);
  return runFiles({
    files: suite.files.map((file) => fileURLToPath(new URL(file, import.meta.url))),
    // Each file starts real processes; one after the other, they do not take each other's time.
    concurrency: 1,
    execArgv: ['--conditions=meshfetch-source'],
  });
}

const wanted = process.argv.slice(2);
for (const name of wanted) {
  if (Object.hasOwn(suites, name)) continue;
  console.error(`live: no suite "${name}"; there are ${Object.keys(suites).join(', ')}`);
  process.exit(2);
}

const total: Counts = { passed: 0, failed: 0, skipped: 0, unsteady: [] };
const skippedSuites: string[] = [];
let ranSuites = 0;
for (const [name, load] of Object.entries(suites)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const suite = await load();
  const prepared = await suite.prepare((line) => console.log(`live ${name}: ${line}`));
  if ('skip' in prepared) {
    console.log(`live ${name}: skipped, because ${prepared.skip}`);
    skippedSuites.push(name);
    continue;
  }
  ranSuites++;
  const counts = await runSuite(suite, prepared.environment);
  if (counts.passed + counts.failed === 0) {
    console.error(`live ${name}: no test ran; that is a failure of the suite`);
    counts.failed++;
  }
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skipped += counts.skipped;
  total.unsteady.push(...counts.unsteady);
}

reportUnsteady(total.unsteady);
const skipIsFailure = process.env['MESHFETCH_LIVE_REQUIRE'] === '1';
const skipped = skippedSuites.length === 0 ? '' : `, ${skippedSuites.length} skipped (${skippedSuites.join(', ')})`;
console.log(
  `live: ${ranSuites} suites run${skipped}; tests: ${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`,
);
if (skipIsFailure && (skippedSuites.length > 0 || total.skipped > 0)) {
  console.error('live: MESHFETCH_LIVE_REQUIRE=1 makes a skip a failure');
  process.exitCode = 1;
}
if (total.failed > 0) process.exitCode = 1;
