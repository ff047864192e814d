/** What a program really loads, seen by a hook in a process of its own: each package costs every start that does not need it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));

/** Tells the file of every module, those of CommonJS too. */
const hook = `data:text/javascript,${encodeURIComponent(`
import { registerHooks } from 'node:module';
const files = [];
registerHooks({ load(url, context, next) { files.push(url); return next(url, context); } });
process.on('exit', () => process.stdout.write(JSON.stringify(files)));
`)}`;

/** Packages, and folders of our own, of which a program loads at least one file. */
async function loadedBy(program: string): Promise<ReadonlySet<string>> {
  const args = ['--conditions=meshfetch-source', '--import', hook, '--input-type=module', '--eval', program];
  const { stdout } = await run(process.execPath, args, { cwd: root });
  const paths = (JSON.parse(stdout) as string[]).filter((url) => url.startsWith('file:')).map((url) => fileURLToPath(url));
  return new Set(
    paths.flatMap((path) => {
      const [, name] = /[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)[\\/](?!.*node_modules)/.exec(path) ?? [];
      return name ?? /src[\\/](.*)[\\/]/.exec(path)?.[1] ?? [];
    }),
  );
}

const onDemand = [
  '@grpc/grpc-js',
  '@peculiar/x509',
  're2js',
  'valibot',
  'yaml',
  'control-plane/consul',
  'control-plane/file',
  'control-plane/istio',
  'control-plane/spiffe',
  'control-plane/xds',
  'integrations/grpc',
  'integrations/register',
];

const meshOf = (options: unknown): string =>
  `import { createMesh } from 'meshfetch'; const mesh = await createMesh(${JSON.stringify(options)}); await mesh.close();`;
const orders = { endpoints: ['192.0.2.1:80'] };
const programs: readonly { readonly name: string; readonly program: string; readonly loads: readonly string[] }[] = [
  { name: 'import-alone', program: "import 'meshfetch';", loads: [] },
  { name: 'mesh-without-configuration', program: meshOf({}), loads: [] },
  {
    name: 'file',
    program: meshOf({ controlPlane: 'test/golden/file/addresses.in.yaml' }),
    loads: ['valibot', 'yaml', 'control-plane/file'],
  },
  {
    name: 'object-without-patterns',
    program: meshOf({ controlPlane: { services: { orders } } }),
    loads: ['valibot', 'control-plane/file'],
  },
  {
    name: 'object-with-a-pattern',
    program: meshOf({
      controlPlane: { services: { orders: { ...orders, routes: [{ match: { path: { regex: '/v[0-9]+/.*' } } }] } } },
    }),
    loads: ['re2js', 'valibot', 'control-plane/file'],
  },
  {
    name: 'register-in-a-program-without-grpc',
    program: "import 'meshfetch/register';",
    loads: ['integrations/grpc', 'integrations/register'],
  },
  {
    name: 'xds',
    program: meshOf({ controlPlane: 'xds://127.0.0.1:1' }),
    loads: ['@grpc/grpc-js', 'control-plane/xds'],
  },
];

describe('a program loads only what it uses', () => {
  for (const { name, program, loads } of programs) {
    it(name, async () => {
      const loaded = await loadedBy(program);
      assert.ok(loaded.has('undici') && loaded.has('data-plane'), 'the hook sees packages and our own files');
      assert.deepEqual(
        onDemand.filter((part) => loaded.has(part)),
        loads,
      );
    });
  }
});
