/** What a user gets: the packed tarball in an empty project, imported by name, type-checked, and its command run. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..', '..');
let project = '';

const consumer = `
import { createMesh, isMeshError, meshFetch, type Mesh } from 'meshfetch';
import { consulControlPlane } from 'meshfetch/consul';
import { createVirtualClock } from 'meshfetch/testing';

const mesh: Mesh = await createMesh({ controlPlane: { services: { orders: { endpoints: [process.argv[2] ?? ''] } } } });
const response: Response = await mesh.fetch('http://orders/hello');
const direct: Response = await meshFetch(\`http://\${process.argv[2]}/direct\`);
const failed = await mesh.fetch('http://nowhere.invalid/').catch((error: unknown) => (error as Error).cause);
await mesh.close();
console.log(JSON.stringify([await response.text(), await direct.text(), isMeshError(failed) && failed.code, typeof consulControlPlane, typeof createVirtualClock]));
process.exit(0);
`;

describe('the package', { timeout: 180_000 }, () => {
  before(async () => {
    project = await mkdtemp(join(tmpdir(), 'meshfetch-package-'));
    // Scripts are left out: what is packed is the build that was just made.
    const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', project], { cwd: root });
    const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
    await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
    await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', `./${filename}`, '@opentelemetry/api@1.10.0'], {
      cwd: project,
    });
  });
  after(() => rm(project, { recursive: true, force: true }));

  it('works in an empty project, by name', async () => {
    const server = createServer((request, response) => response.end(`answer to ${request.url}`));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await writeFile(join(project, 'consumer.ts'), consumer);
    const { stdout } = await run(process.execPath, ['consumer.ts', `127.0.0.1:${port}`], { cwd: project });
    server.close();
    assert.deepEqual(JSON.parse(stdout), ['answer to /hello', 'answer to /direct', 'MESH_DNS_FAILED', 'function', 'function']);
  });

  it('has types that a strict project can use', async () => {
    await writeFile(join(project, 'consumer.ts'), consumer);
    await writeFile(
      join(project, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          target: 'es2024',
          module: 'nodenext',
          strict: true,
          exactOptionalPropertyTypes: true,
          noEmit: true,
          types: ['node'],
          typeRoots: [join(root, 'node_modules/@types')],
        },
        files: ['consumer.ts'],
      }),
    );
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    await run(process.execPath, [tsc, '-p', '.'], { cwd: project }).catch((error: { stdout: string }) =>
      assert.fail(error.stdout),
    );
  });

  it('brings its command', async () => {
    const { stdout } = await run('npx', ['--no-install', 'meshfetch', '--help'], {
      cwd: project,
      env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env['PATH']}` },
    });
    assert.match(stdout, /meshfetch <command>/);
    const { stdout: version } = await run('npx', ['--no-install', 'meshfetch', '--version'], {
      cwd: project,
      env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env['PATH']}` },
    });
    const { version: expected } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
    assert.equal(version, `${expected}\n`);
  });

  it('carries nothing that a user does not need', async () => {
    const files = await readdir(join(project, 'node_modules', 'meshfetch'));
    assert.deepEqual(files.sort(), ['CHANGELOG.md', 'LICENSE', 'README.md', 'dist', 'package.json', 'schema']);
  });
});
