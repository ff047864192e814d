/**
 * `meshfetch/testing` in the test runners that programs use: the tests of the how-to page as they stand, from the packed build, in
 * node:test, vitest and jest; and what each of them shows of an assertion that fails.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..', '..');
const examples = join(root, 'docs/examples/test-your-program');
const modules = join(root, 'node_modules');
let project = '';

const failing = `
import { it } from 'node:test';
import { createMesh } from 'meshfetch';
import { expectRoute, fakeControlPlane } from 'meshfetch/testing';

it('goes to the old orders', async () => {
  const controlPlane = fakeControlPlane({ services: { orders: { endpoints: ['192.0.2.1:80'] } } });
  await using mesh = await createMesh({ controlPlane, drainTimeoutMs: 0 });
  await mesh.ready();
  expectRoute(mesh, 'http://orders/a').toReach('orders-old', { path: '/b' });
});
`;

interface Runner {
  readonly name: string;
  /** Where its \`describe\` and \`it\` come from. */
  readonly from: string;
  readonly command: (file: string) => readonly string[];
  readonly passed: RegExp;
}

const runners: readonly Runner[] = [
  { name: 'node:test', from: 'node:test', command: (file) => ['--test', file], passed: /pass 6\n.*fail 0/ },
  {
    name: 'vitest',
    from: 'vitest',
    command: (file) => [join(modules, 'vitest/vitest.mjs'), 'run', file, '--environment=node', '--no-color'],
    passed: /Tests\s+6 passed \(6\)/,
  },
  {
    name: 'jest',
    from: '@jest/globals',
    command: (file) => ['--experimental-vm-modules', join(modules, 'jest/bin/jest.js'), file, '--no-cache', '--colors=false'],
    passed: /Tests:\s+6 passed, 6 total/,
  },
];

/** What the runner printed, and whether it was content. */
async function outcomeOf({ command }: Runner, file: string): Promise<{ readonly isGood: boolean; readonly output: string }> {
  const env = { ...process.env, CI: '1', NO_COLOR: '1', NODE_TEST_CONTEXT: undefined, NODE_OPTIONS: '' };
  try {
    const { stdout, stderr } = await run(process.execPath, [...command(file)], { cwd: project, env, timeout: 90_000 });
    return { isGood: true, output: stdout + stderr };
  } catch (error) {
    const { stdout, stderr, message } = error as { stdout?: string; stderr?: string } & Error;
    return { isGood: false, output: `${stdout ?? message}${stderr ?? ''}` };
  }
}

describe('the test kit', { timeout: 300_000 }, () => {
  before(async () => {
    project = mkdtempSync(join(tmpdir(), 'meshfetch-runners-'));
    const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', project], { cwd: root });
    const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
    const installed = join(project, 'node_modules');
    mkdirSync(installed);
    await run('tar', ['-xzf', join(project, filename), '-C', installed]);
    cpSync(join(installed, 'package'), join(installed, 'meshfetch'), { recursive: true });
    rmSync(join(installed, 'package'), { recursive: true });
    // What it needs is there already; a second installation would only take time.
    for (const name of readdirSync(modules)) {
      if (!name.startsWith('.') && name !== 'meshfetch') symlinkSync(join(modules, name), join(installed, name));
    }
    writeFileSync(
      join(project, 'package.json'),
      JSON.stringify({
        name: 'shop',
        private: true,
        type: 'module',
        jest: { transform: {}, testMatch: ['**/*.test.mjs'], moduleFileExtensions: ['mjs', 'js'] },
      }),
    );
    for (const file of ['services.mjs', 'shop.mjs']) cpSync(join(examples, file), join(project, file));
    const shop = readFileSync(join(examples, 'shop.test.mjs'), 'utf8');
    for (const { name, from } of runners) {
      const file = name.replace('node:test', 'node');
      writeFileSync(join(project, `${file}-good.test.mjs`), shop.replace("'node:test'", `'${from}'`));
      writeFileSync(join(project, `${file}-bad.test.mjs`), failing.replace("'node:test'", `'${from}'`));
    }
  });
  after(() => rmSync(project, { recursive: true, force: true }));

  for (const runner of runners) {
    const file = runner.name.replace('node:test', 'node');

    it(`works in ${runner.name}`, async () => {
      const { isGood, output } = await outcomeOf(runner, `${file}-good.test.mjs`);
      assert.ok(isGood, output);
      assert.match(output, runner.passed);
    });

    it(`fails in ${runner.name} with what was expected, what is, and what the mesh says`, async () => {
      const { isGood, output } = await outcomeOf(runner, `${file}-bad.test.mjs`);
      assert.equal(isGood, false, output);
      assert.match(output, /GET http:\/\/orders\/a should reach orders-old/);
      assert.match(output, /100 % to orders-old \(expected\)\s+\+ 100 % to orders\n/);
      assert.match(output, /explain: 100 % to orders: 1 of 1 endpoints healthy/);
      assert.match(output, new RegExp(`${file}-bad\\.test\\.mjs:\\d+`), 'it says where the assertion is');
    });
  }
});
