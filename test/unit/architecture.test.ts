/**
 * The shape of the house: which room may use which, and the habits that a reader relies on. A rule with exceptions lists them with a
 * reason each, and an exception that is no longer needed fails the test.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { importCycles, loadedWith, readSourceFiles, sourceFile, type SourceFile } from '../support/source-files.ts';

const root = new URL('../../', import.meta.url);
const files = readSourceFiles(new URL('src/', root));

/** Rooms that each room may import, itself excepted. Files that lie in `src/` itself are the assembly: mesh.ts and its doors. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  base: [],
  wire: ['base'],
  model: ['base'],
  security: ['base', 'model'],
  telemetry: ['base', 'model'],
  // The two planes never import each other: what passes between them is the model.
  'control-plane': ['base', 'wire', 'model', 'security', 'telemetry'],
  'data-plane': ['base', 'wire', 'model', 'security', 'telemetry'],
  // The fetch-shaped door: a fetch over any dispatcher, which knows nothing of meshes.
  fetch: ['base'],
  // The door for node:http, over any dispatcher likewise.
  agents: ['base'],
  admin: ['base', 'model', 'security', 'telemetry', 'control-plane', 'data-plane'],
  assembly: ['base', 'wire', 'model', 'security', 'telemetry', 'control-plane', 'data-plane', 'fetch', 'agents', 'admin'],
  // Above the assembly; nobody imports them.
  // It runs what both planes decide, without a mesh: the translators, the checks, the routing, who is let in.
  testing: ['base', 'wire', 'model', 'security', 'control-plane', 'data-plane', 'admin', 'assembly'],
  integrations: ['base', 'wire', 'model', 'assembly'],
  cli: ['base', 'model', 'security', 'control-plane', 'admin', 'assembly'],
};

/** Packages that each room may import. */
const packages: Readonly<Record<string, readonly string[]>> = {
  base: ['lru-cache', 're2js'],
  wire: ['@grpc/grpc-js', 'lru-cache'],
  security: ['@peculiar/x509', 'jose', 'lru-cache'],
  telemetry: ['@opentelemetry/api'],
  'control-plane': ['lru-cache', 'undici', 'valibot', 'yaml'],
  'data-plane': ['lru-cache', 'opossum', 'p-retry', 'undici'],
  fetch: ['lru-cache', 'undici'],
  agents: ['undici'],
  assembly: ['undici'],
  // Peers of the program; a program loads the door of its own framework alone.
  integrations: [
    '@connectrpc/connect',
    '@connectrpc/connect-node',
    '@grpc/grpc-js',
    '@nestjs/common',
    '@nestjs/core',
    '@opentelemetry/api',
    '@opentelemetry/exporter-prometheus',
    '@opentelemetry/sdk-metrics',
    'express',
    'fastify',
    'undici',
  ],
  testing: ['undici'],
};

/** `import 'meshfetch'` loads none of these: most programs never need them, and each costs every start (loaded-files.test.ts runs it). */
const loadedOnDemand = [
  '@grpc/grpc-js',
  're2js',
  'yaml',
  'valibot',
  '@peculiar/x509',
  'jose',
  'control-plane/consul/index.ts',
  'control-plane/file/index.ts',
  'control-plane/istio/index.ts',
  'control-plane/spiffe/index.ts',
  'control-plane/xds/index.ts',
  'data-plane/inbound.ts',
  'data-plane/listen/listen.ts',
];

/** Files that may look at the time, start timers or draw by chance. */
const timekeepers: Readonly<Record<string, string>> = {
  'agents/socket-shape.ts': 'has the idle timeout of a socket, which is a method of that name, over a Clock',
  'base/runtime.ts': 'the one place that does, so that everything else runs in virtual time with seeded chance',
  'security/certificate-authority.ts': 'serial numbers must not be guessable, so that they come from the system',
  'data-plane/listen/leave-http.ts': 'takes the idle time of the server off a socket, which is a method of that name',
  'cli/demo/service.ts': 'a server of the demo that is slow on purpose: it is a program of its own, not part of the library',
};

const maxLines = 300;

/** Files that are longer. */
const longFiles: Readonly<Record<string, string>> = {
  'control-plane/xds/wire/message-table.ts': 'generated: a line for each message of Envoy',
  'base/errors.ts': 'one table of everything that can go wrong, with a remedy each',
  'data-plane/outbound.ts': 'the way out, which is read from top to bottom',
  'integrations/grpc/grpc-js.ts': 'whatever is experimental or inside of grpc-js, in one place on purpose',
  'data-plane/attempt.ts': 'one attempt from pick to outcome, whose callbacks share their state',
};

/** Words that say nothing about what a file or folder is for. */
const emptyNames = /(^|[/-])(utils?|helpers?|common|misc|shared|stuff)([-./]|$)/;

const minDocumentedPercent = 95;

const clockOrChance =
  /\bDate\.now\b|\bnew Date\(\s*\)|(?<!new )\bDate\(|\bperformance\b|\b(set|clear)(Timeout|Interval|Immediate)\b|\bMath\.random\b|\bAbortSignal\.timeout\b|\bprocess\.hrtime\b|\brandom(UUID|Bytes|Int)\b/;

function roomOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : 'assembly';
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** Exports without a comment. The comment that opens a file speaks for the export that the file is named after. */
function undocumented({ path, text }: SourceFile): { readonly count: number; readonly names: readonly string[] } {
  const lines = text.split('\n');
  const fileName = path.slice(path.lastIndexOf('/') + 1, -'.ts'.length).replaceAll('-', '');
  const names: string[] = [];
  let count = 0;
  for (const [index, line] of lines.entries()) {
    const name = /^export (?:abstract |async )*(?:function\*?|const|let|class|interface|type) (\w+)/.exec(line)?.[1];
    if (name === undefined) continue;
    count++;
    const isHeader = text.startsWith('/**') && name.toLowerCase() === fileName;
    if (!isHeader && !/\*\/\s*$/.test(lines[index - 1] ?? '')) names.push(`${path} ${name}`);
  }
  return { count, names };
}

describe('the rooms', () => {
  it('are all in the table', () => {
    const found = new Set(files.map(({ path }) => roomOf(path)));
    assert.deepEqual(
      [...found].filter((room) => !Object.hasOwn(rooms, room)),
      [],
    );
  });

  it('import only the rooms below them', () => {
    const wrong = files.flatMap(({ path, imports }) =>
      imports
        .filter(({ file }) => file !== undefined && roomOf(file) !== roomOf(path) && !rooms[roomOf(path)]?.includes(roomOf(file)))
        .map(({ file }) => `${path} → ${file}`),
    );
    assert.deepEqual(wrong, []);
  });

  it('import only files that exist, by their whole name', () => {
    const known = new Set(files.map(({ path }) => path));
    const wrong = files.flatMap(({ path, imports }) =>
      imports.filter(({ file }) => file !== undefined && !known.has(file)).map(({ specifier }) => `${path} → ${specifier}`),
    );
    assert.deepEqual(wrong, []);
  });

  it('import only the packages that they need, and those are dependencies', () => {
    const { dependencies, peerDependencies } = readPackage();
    const wrong = files.flatMap(({ path, imports }) =>
      imports
        .filter(({ file, specifier }) => file === undefined && !specifier.startsWith('node:'))
        .map(({ specifier }) => packageOf(specifier))
        .filter(
          (name) => !packages[roomOf(path)]?.includes(name) || !Object.hasOwn({ ...dependencies, ...peerDependencies }, name),
        )
        .map((name) => `${path} → ${name}`),
    );
    assert.deepEqual(wrong, []);
  });

  it('have a model without code that runs: types, lists of words, and the one class that hides a key', () => {
    const running = files
      .filter(({ path }) => roomOf(path) === 'model')
      .filter(
        ({ imports, code }) =>
          imports.some(({ isType }) => !isType) || /^export (?:async function|function|let|const (?!\w+ = \[))/m.test(code),
      );
    assert.deepEqual(
      running.map(({ path }) => path),
      [],
    );
  });

  it('have no circle of imports when the program runs', () => {
    assert.deepEqual(importCycles(files), []);
  });
});

describe('what is loaded', () => {
  const loaded = loadedWith(files, 'index.ts');

  for (const heavy of loadedOnDemand) {
    it(`is not ${heavy} by import 'meshfetch'`, () => assert.equal(loaded.get(heavy)?.join(' → '), undefined));
  }

  it('by each door of package.json is a file that exists', () => {
    const { exports, bin } = readPackage();
    const sources = Object.values(exports).map((target) => (typeof target === 'string' ? target : target['meshfetch-source']));
    const programs = Object.values(bin).map((target) => target.replace(/^\.\/dist\/(.*)\.js$/, './src/$1.ts'));
    assert.deepEqual(
      [...sources, ...programs].filter((target) => target === undefined || !existsSync(new URL(target, root))),
      [],
    );
  });

  it('by each door is the same file in the sources and in the build', () => {
    for (const [door, target] of Object.entries(readPackage().exports)) {
      if (typeof target === 'string') continue;
      const built = target['meshfetch-source']!.replace(/^\.\/src\/(.*)\.ts$/, './dist/$1');
      assert.deepEqual(
        { door, types: target['types'], default: target['default'] },
        { door, types: `${built}.d.ts`, default: `${built}.js` },
      );
    }
  });
});

describe('the sources', () => {
  it('look at the time, start timers and draw by chance in one place', () => {
    const found = files.filter(({ code }) => clockOrChance.test(code) || /['"]node:timers/.test(code)).map(({ path }) => path);
    const viaImport = files
      .filter(({ imports }) => imports.some(({ specifier }) => specifier.startsWith('node:timers')))
      .map(({ path }) => path);
    assert.deepEqual([...new Set([...found, ...viaImport])].toSorted(), Object.keys(timekeepers).toSorted());
  });

  it(`are files of at most ${maxLines} lines, but for those that are listed`, () => {
    const long = files.filter(({ lines }) => lines > maxLines).map(({ path }) => path);
    assert.deepEqual(long.toSorted(), Object.keys(longFiles).toSorted());
  });

  it('are named for what they do', () => {
    assert.deepEqual(
      files.filter(({ path }) => emptyNames.test(path)).map(({ path }) => path),
      [],
    );
    assert.deepEqual(
      files
        .filter(({ path }) => !/^([a-z0-9]+(-[a-z0-9]+)*\/)*[a-z0-9]+(-[a-z0-9]+)*(\.d)?\.ts$/.test(path))
        .map(({ path }) => path),
      [],
    );
  });

  it('never say `any`', () => {
    const places = files.flatMap(({ path, code }) =>
      code
        .split('\n')
        .filter((line) => /(?:[:<,|&(=]\s*|\bas\s+|\bextends\s+)any\b(?!\s*[:(])/.test(line))
        .map((line) => `${path}: ${line.trim()}`),
    );
    assert.deepEqual(places, []);
  });

  it('have no default exports: a thing has one name everywhere', () => {
    assert.deepEqual(
      files.filter(({ code }) => /^export default\b/m.test(code)).map(({ path }) => path),
      [],
    );
  });

  it(`say of at least ${minDocumentedPercent} % of their exports what they promise`, () => {
    const found = files.map(undocumented);
    const all = found.reduce((sum, { count }) => sum + count, 0);
    const names = found.flatMap(({ names }) => names);
    const percent = (100 * (all - names.length)) / all;
    assert.ok(percent >= minDocumentedPercent, `${percent.toFixed(1)} % of ${all}; without a comment:\n${names.join('\n')}`);
  });
});

describe('the reader of sources', () => {
  const read = (text: string) =>
    sourceFile('a/b.ts', text).imports.map(({ specifier, file, isType, isDynamic }) => [specifier, file, isType, isDynamic]);

  const imports = [
    { name: 'named', text: "import { a, type B } from './c.ts';", found: [['./c.ts', 'a/c.ts', false, false]] },
    { name: 'types', text: "import type { B } from '../c.ts';", found: [['../c.ts', 'c.ts', true, false]] },
    { name: 'name-space', text: "import * as net from 'node:net';", found: [['node:net', undefined, false, false]] },
    { name: 'many-lines', text: "import {\n  a,\n  b,\n} from './c.ts';", found: [['./c.ts', 'a/c.ts', false, false]] },
    { name: 'export-from', text: "export { a } from './c.ts';", found: [['./c.ts', 'a/c.ts', false, false]] },
    { name: 'export-all-types', text: "export type * from './c.ts';", found: [['./c.ts', 'a/c.ts', true, false]] },
    { name: 'effect', text: "import './c.ts';", found: [['./c.ts', 'a/c.ts', false, false]] },
    { name: 'dynamic', text: "const c = await import('./c.ts');", found: [['./c.ts', 'a/c.ts', false, true]] },
    { name: 'type-of-dynamic', text: "let c: typeof import('./c.ts');", found: [['./c.ts', 'a/c.ts', true, true]] },
    { name: 'in-a-comment', text: "// import { a } from './c.ts';\n/* import './d.ts'; */", found: [] },
    {
      name: 'two-of-them',
      text: "import { a } from './c.ts';\nimport { d } from './d.ts';",
      found: [
        ['./c.ts', 'a/c.ts', false, false],
        ['./d.ts', 'a/d.ts', false, false],
      ],
    },
  ];
  for (const { name, text, found } of imports) it(`sees who is imported: ${name}`, () => assert.deepEqual(read(text), found));

  const texts = [
    { name: 'comment', text: 'a; // Date.now()\nb; /* setTimeout */ c', code: 'a; \nb;  c' },
    { name: 'text', text: "const a = 'Date.now()' + \"it's\";", code: 'const a = \'\' + "";' },
    { name: 'template', text: 'f(`a ${g(`Date ${h}`)} b`, c)', code: 'f(`${g(`${h}`)}`, c)' },
    { name: 'pattern', text: 'if (/[\'"`]/.test(a)) b = 1 / 2 / c; // d', code: 'if (//.test(a)) b = 1 / 2 / c; ' },
    { name: 'address', text: "const a = 'http://b'; c();", code: "const a = ''; c();" },
  ];
  for (const { name, text, code } of texts)
    it(`tells code from what is none: ${name}`, () => assert.equal(sourceFile('a.ts', text).code, code));

  it('finds circles, and none where only types or dynamic imports close them', () => {
    const house = (...pairs: readonly [string, string][]) => pairs.map(([path, text]) => sourceFile(path, text));
    const closed = house(
      ['a.ts', "import { b } from './b.ts';"],
      ['b.ts', "import { c } from './c.ts';"],
      ['c.ts', "import { a } from './a.ts';"],
    );
    assert.deepEqual(importCycles(closed), [['a.ts', 'b.ts', 'c.ts']]);
    const open = house(
      ['a.ts', "import { b } from './b.ts';"],
      ['b.ts', "import type { A } from './a.ts';\nawait import('./a.ts');"],
    );
    assert.deepEqual(importCycles(open), []);
  });
});

interface PackageFile {
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly bin: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
}

function readPackage(): PackageFile {
  return JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as PackageFile;
}
