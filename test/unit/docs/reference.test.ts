import assert from 'node:assert/strict';
import { existsSync, globSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { errorTable } from '../../../src/base/errors.ts';
import { loadBalancingPolicies } from '../../../src/data-plane/load-balancing/index.ts';
import { optionTable } from '../../../src/options.ts';
import { commandNames, commandOutput, fieldsOf } from './generated-text.ts';
import { blocksOf, linksOf, pagePaths, readText, root, sectionOf, tableRows } from './markdown.ts';

const code = (text: string): string => `\`${text}\``;
/** Variables that the code takes by other ways than `environment['NAME']`; the test below finds that it still does. */
const otherVariables = ['GRPC_XDS_BOOTSTRAP', 'GRPC_XDS_BOOTSTRAP_CONFIG', 'SPIFFE_ENDPOINT_SOCKET'];
const sources = globSync('src/**/*.ts', { cwd: root }).map((path) => readText(path));

describe('the reference of errors', () => {
  const rows = tableRows(sectionOf(readText('docs/reference/errors.md'), '## Codes'));

  it('has a row for every code and no other, in order', () => {
    assert.deepEqual(
      rows.map(([cell]) => cell),
      Object.keys(errorTable).toSorted().map(code),
    );
  });

  for (const [name, { flag, status, grpcStatus, details, meaning, remedy }] of Object.entries(errorTable)) {
    it(`says of ${name} what the table says`, () => {
      const row = rows.find(([cell]) => cell === code(name));
      const flags = flag === '-' ? '–' : flag.split(',').map(code).join(', ');
      assert.deepEqual(row, [code(name), flags, String(status), grpcStatus, code(details), meaning, remedy]);
    });
  }
});

describe('the reference of options', () => {
  const page = readText('docs/reference/options.md');

  it('has a row for every option and no other, with what it must be and what it does', () => {
    const expected = Object.entries(optionTable).map(([name, { expected: must, doc }]) => [code(name), must, doc]);
    assert.deepEqual(tableRows(page), expected);
  });

  it('has every environment variable that the code reads and no other', () => {
    const read = new Set(
      sources.flatMap((text) => [...text.matchAll(/\b(?:process\.env|environment)\['(\w+)'\]/g)].map(([, name]) => name!)),
    );
    assert.ok(sources.some((text) => text.includes("debuglog('meshfetch')")));
    for (const name of otherVariables) {
      assert.ok(sources.some((text) => text.includes(name)));
      read.add(name);
    }
    const documented = tableRows(sectionOf(page, '## Environment variables')).flatMap(([name = '']) =>
      name.replaceAll('`', '').split(', '),
    );
    assert.deepEqual(documented.toSorted(), [...read, 'NODE_DEBUG'].toSorted());
  });

  it('has every variable of a pod of Istio that the code reads and no other', () => {
    const text = readText('src/control-plane/istio/environment.ts');
    const read = new Set(
      [...text.matchAll(/\bsaid\('(\w+)'\)|'(ISTIO_META(?:JSON)?_)'/g)].map(([, name, prefix]) => name ?? `${prefix}…`),
    );
    const table = sectionOf(page, '## Environment variables').split('In a pod of Istio')[1] ?? '';
    const documented = tableRows(table).flatMap(([name = '']) => name.replaceAll('`', '').split(', '));
    assert.deepEqual(documented.toSorted(), [...read].toSorted());
  });

  for (const [guide, path, name] of [
    ['connect-istio', 'src/control-plane/istio/options.ts', 'IstioOptions'],
    ['connect-spiffe', 'src/control-plane/spiffe/options.ts', 'SpiffeOptions'],
  ] as const) {
    it(`are all on the page that tells how to use them: ${guide}`, () => {
      const table = readText(`docs/how-to/${guide}.md`).split(/(?=\n\| option \|)/)[1] ?? '';
      const named = tableRows(table).flatMap(([cell = '']) => cell.replaceAll('`', '').split(', '));
      const ofTests = ['clock', 'random'];
      const known = fieldsOf(path, name).map((field) => field.name);
      assert.deepEqual(named.toSorted(), known.filter((one) => !ofTests.includes(one)).toSorted());
    });
  }

  it('has every member of a mesh and no other', () => {
    const [, body = ''] =
      /export interface Mesh extends AsyncDisposable \{\n([\s\S]*?)\n\}/.exec(readText('src/mesh-interface.ts')) ?? [];
    const members = [...body.matchAll(/^ {2}(?:readonly )?(\w+)[(:]/gm)].map(([, name = '']) => name);
    const documented = tableRows(sectionOf(page, '## What a mesh has')).map(([cell = '']) => /\w+/.exec(cell)?.[0] ?? '');
    assert.deepEqual(documented.toSorted(), members.toSorted());
  });
});

describe('the reference of the status', () => {
  const page = readText('docs/reference/status.md');
  const status = readText('src/admin/status.ts');
  /** Names of the fields of an interface, of those at `indent` spaces. */
  const fieldsOf = (text: string, name: string, indent = 2): readonly string[] => {
    const [, body = ''] = new RegExp(`interface ${name}\\b[^{]*\\{\\n([\\s\\S]*?)\\n\\}`).exec(text) ?? [];
    return [...body.matchAll(new RegExp(`^ {${indent}}readonly (\\w+)\\??:`, 'gm'))].map(([, field = '']) => field);
  };
  const sources = readText('src/control-plane/store.ts');
  const identities = readText('src/security/identity-status.ts');
  const sections: readonly (readonly [string, readonly string[]])[] = [
    ['## The whole', fieldsOf(status, 'MeshStatus')],
    ['## `controlPlanes[]`', fieldsOf(sources, 'SourceStatus')],
    ['## `clusters[]`', fieldsOf(status, 'ClusterStatus')],
    [
      '## `clusters[].endpoints[]`',
      [...fieldsOf(readText('src/admin/endpoint-view.ts'), 'EndpointView'), ...fieldsOf(status, 'ClusterStatus', 4)],
    ],
    ['## `identities[]`', fieldsOf(identities, 'IdentityStatus')],
    ['## `inbound[]`', fieldsOf(readText('src/admin/inbound-status.ts'), 'InboundPortStatus')],
  ];

  for (const [heading, fields] of sections) {
    it(`has every field and no other: ${heading.slice(3)}`, () => {
      assert.ok(fields.length > 4, 'too few fields for a test');
      const named = tableRows(sectionOf(page, heading)).flatMap(([cell = '']) => cell.replaceAll('`', '').split(', '));
      assert.deepEqual(named.toSorted(), fields.toSorted());
    });
  }

  it('has the fields of certificates and trust bundles', () => {
    const rows = new Map(tableRows(sectionOf(page, '## `identities[]`')).map(([name = '', text = '']) => [name, text]));
    const said = `${rows.get('`svid`')} ${rows.get('`trustBundle`')}`;
    for (const field of fieldsOf(identities, 'IdentityStatus', 4)) assert.ok(said.includes(`\`${field}\``), field);
  });
});

describe('the reference of headers', () => {
  it('names every header that the data plane sends or reads by name, itself or on the page it leads to', () => {
    const pages = ['reference/headers', 'how-to/override-by-header', 'how-to/inject-faults'].map((name) =>
      readText(`docs/${name}.md`),
    );
    const known = pages.join('\n');
    const files = globSync('src/data-plane/**/*.ts', { cwd: root }).map((path) => readText(path));
    const names = new Set(
      files.flatMap((text) => [...text.matchAll(/'((?:x-|l5d-|grpc-)[a-z0-9-]+)'/g)].map(([, name = '']) => name)),
    );
    // What a gRPC response has, what only tables of Envoy ask for, and what is recognised in headers of the caller.
    for (const name of ['grpc-message', 'x-forwarded-proto', 'x-envoy-internal']) names.delete(name);
    assert.deepEqual(
      [...names].filter((name) => !known.includes(name)),
      [],
    );
  });
});

describe('the reference of load balancing', () => {
  const page = readText('docs/reference/load-balancing.md');

  it('has a row for every policy and no other', () => {
    assert.deepEqual(
      tableRows(page),
      [...loadBalancingPolicies.values()].map(({ name, doc }) => [code(name), doc]),
    );
  });

  it('has every option of every policy', () => {
    for (const { name, options } of loadBalancingPolicies.values()) {
      if (options.fields.length === 0) continue;
      const rows = tableRows(page.slice(page.indexOf(`Options of \`${name}\``)));
      assert.deepEqual(
        rows,
        options.fields.map((field) => [code(field.name), field.type, field.default, field.doc]),
      );
    }
  });
});

describe('the reference of the command line', () => {
  it('has the help of every command, word for word, and of no other', async () => {
    const page = readText('docs/reference/cli.md');
    const names = [...(await commandNames())].toSorted();
    assert.deepEqual(
      [...page.matchAll(/^## `meshfetch (\w+)`$/gm)].map(([, name]) => name),
      names,
    );
    const expected = [await commandOutput('--help'), ...(await Promise.all(names.map((name) => commandOutput(name, '--help'))))];
    assert.deepEqual(
      blocksOf(page).map(({ text }) => text),
      expected,
    );
  });
});

describe('the glossary', () => {
  const page = readText('docs/reference/glossary.md');
  const terms = [...page.matchAll(/^### (.+)$/gm)].map(([, term = '']) => term);

  it('is in alphabetical order', () => {
    assert.deepEqual(
      terms,
      terms.toSorted((a, b) => a.localeCompare(b, 'en', { sensitivity: 'base' })),
    );
  });

  it('holds words that the code uses', () => {
    const text = sources.join('\n').toLowerCase();
    const unused = terms
      .flatMap((term) => term.split(', '))
      .filter((term) => {
        const word = term.toLowerCase();
        return ![word, word.replaceAll(' ', '-'), word.replaceAll(/[ -]/g, '')].some((form) => text.includes(form));
      });
    assert.deepEqual(unused, []);
  });

  it('has every term that a page links to', () => {
    // The links of all pages are followed in pages.test.ts; here: that pages do link to it.
    const links = pagePaths().flatMap((path) => linksOf(readText(path)).filter((target) => target.includes('glossary.md#')));
    assert.ok(links.length > 0);
  });
});

describe('the page of what is supported', () => {
  const page = readText('docs/reference/support.md');
  const sections = [
    '## Control planes',
    '## Where endpoints come from',
    '## What happens to a request',
    '## What comes in',
    '## What xDS brings',
    '## Where identities come from',
  ];

  for (const heading of sections) {
    it(`names a specification and a test that exists for all that is there: ${heading.slice(3)}`, () => {
      for (const row of tableRows(sectionOf(page, heading))) {
        const states = row.slice(1, -2);
        const [specification, test = ''] = row.slice(-2);
        for (const state of states) assert.match(state, /^(?:yes|no|not yet|part: .+)$/, `${row[0]}: ${state}`);
        if (states.every((state) => state === 'not yet')) continue;
        assert.notEqual(specification, '', row[0]);
        assert.ok(existsSync(join(root, test.replaceAll('`', ''))), `${row[0]}: ${test}`);
      }
    });
  }

  it('names every control plane that there is', () => {
    const folders = globSync('src/control-plane/*/index.ts', { cwd: root }).map((path) => path.split('/')[2]!);
    const named = tableRows(sectionOf(page, '## Control planes'))
      .filter(([, state]) => state === 'yes')
      .map(([name = '']) => name.toLowerCase().split(' ')[0]);
    for (const folder of folders) assert.ok(named.includes(folder), folder);
  });
});

describe('the decisions', () => {
  const paths = globSync('docs/decisions/0*.md', { cwd: root }).toSorted();

  it('are numbered without a gap and listed', () => {
    const index = readText('docs/decisions/README.md');
    paths.forEach((path, position) => {
      const file = path.split('/').at(-1)!;
      assert.ok(file.startsWith(String(position + 1).padStart(4, '0')), file);
      assert.ok(index.includes(`](${file})`), file);
      const title = /^# \d{4}: (.+)$/m.exec(readText(path))?.[1] ?? '';
      assert.ok(index.includes(title), title);
    });
  });

  for (const path of paths) {
    it(`have their four parts, on one page: ${path}`, () => {
      const page = readText(path);
      assert.deepEqual(
        [...page.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading),
        ['What forces us', 'What we do', 'What we do not do, and why', 'How we will notice that we were wrong'],
      );
      assert.ok(page.split('\n').length <= 60, `${page.split('\n').length} lines`);
    });
  }
});
