import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { SpanKind } from '@opentelemetry/api';
import { eventTable } from '../../../src/telemetry/event-table.ts';
import { metricTable, spanTable } from '../../../src/telemetry/instruments.ts';
import { scopeVersion } from '../../../src/telemetry/scope.ts';

const root = new URL('../../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');

/** The text from a heading to the next one of the same level. */
function section(markdown: string, heading: string): string {
  const level = heading.slice(0, heading.indexOf(' ') + 1);
  const start = markdown.indexOf(`${heading}\n`);
  assert.notEqual(start, -1, heading);
  const end = markdown.indexOf(`\n${level}`, start + 1);
  return markdown.slice(start, end === -1 ? undefined : end);
}

/** The rows of the first table, cell by cell, without the two of its head. */
function rows(markdown: string): readonly (readonly string[])[] {
  const lines = markdown.split('\n').filter((line) => line.startsWith('| ') || line.startsWith('|--'));
  return lines.slice(2).map((line) => line.slice(2, -2).split(' | '));
}

const code = (text: string): string => `\`${text}\``;

describe('the reference pages', () => {
  const metrics = read('docs/reference/metrics.md');
  const events = read('docs/reference/events.md');

  it('list every metric and no other, with its kind, unit, words and labels', () => {
    const expected = Object.entries(metricTable).map(([name, { kind, unit, doc, labels }]) => [
      code(name),
      kind,
      code(unit),
      doc,
      labels.map(code).join(' '),
    ]);
    assert.deepEqual(rows(section(metrics, '## Metrics')), expected);
  });

  it('list every span and no other, with its kind, name, words and attributes', () => {
    const expected = Object.entries(spanTable).map(([name, { kind, name: spanName, doc, attributes }]) => [
      name,
      SpanKind[kind],
      code(spanName),
      doc,
      attributes.map(code).join(' '),
    ]);
    assert.deepEqual(rows(section(metrics, '## Spans')), expected);
  });

  it('list every event and no other', () => {
    const headings = [...events.matchAll(/^## `(.*)`$/gm)].map((match) => match[1]);
    assert.deepEqual(
      headings,
      Object.keys(eventTable).map((name) => `meshfetch:${name}`),
    );
  });

  for (const [name, { doc, fields }] of Object.entries(eventTable)) {
    it(`say what meshfetch:${name} carries, field by field`, () => {
      const text = section(events, `## \`meshfetch:${name}\``);
      assert.ok(text.includes(`\n${doc}\n`), doc);
      assert.deepEqual(
        rows(text),
        Object.entries(fields).map(([field, words]) => [code(field), words]),
      );
    });
  }

  it('report under the version of the package', () => {
    assert.equal(scopeVersion, (JSON.parse(read('package.json')) as { readonly version: string }).version);
  });
});
