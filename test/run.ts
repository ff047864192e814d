/** `npm run test:source`: every test that needs nothing but this repository. */
import { reportUnsteady, runFiles } from './support/run-files.ts';

const counts = await runFiles({
  globPatterns: ['test/{unit,golden,contract,vectors,simulation,integration}/**/*.test.ts'],
  concurrency: 2,
  execArgv: ['--conditions=meshfetch-source', '--import', './test/support/file-deadline.ts'],
  timeoutMs: 120_000,
});
reportUnsteady(counts.unsteady);
if (counts.failed > 0 || counts.passed === 0) process.exitCode = 1;
