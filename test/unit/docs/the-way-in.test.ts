import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readText, sectionOf } from './markdown.ts';

/** The stations that the head of inbound.ts names, in the order of travel. */
function stationsOfCode(): readonly string[] {
  const [head = ''] = /\/\*\*[\s\S]*?\*\//.exec(readText('src/data-plane/inbound.ts')) ?? [];
  // Names stand in a column of their own.
  return [...head.matchAll(/^ \* {3}(\w.{12})/gm)].map(([, name = '']) => name.split(',')[0]!.trim());
}

/** Methods of the class that take a request further, in the order of the file. */
function stepsOfCode(): readonly string[] {
  const text = readText('src/data-plane/inbound.ts');
  return [...text.matchAll(/^ {2}private (\w+)\(exchange: Exchange\): void \{$/gm)].map(([, name = '']) => name);
}

describe('the page of the way in', () => {
  const stations = stationsOfCode();

  it('has the stations of inbound.ts, in its order', () => {
    const page = sectionOf(readText('docs/explanation/the-way-in.md'), '## The stations');
    const named = [...page.matchAll(/^\*\*(.+?)\.?\*\*/gm)].map(([, name = '']) => name.toLowerCase());
    assert.ok(stations.length > 12);
    assert.deepEqual(named, stations);
  });

  it('has them in the order in which the methods stand', () => {
    const methods: Readonly<Record<string, string>> = {
      normalise: 'begin',
      span: 'watch',
      enter: 'enter',
      route: 'route',
      'cross-origin': 'crossOrigin',
      tokens: 'tokens',
      authorize: 'authorize',
      'rate limit': 'limit',
      faults: 'inject',
      pass: 'pass',
    };
    const steps = stepsOfCode();
    const places = Object.keys(methods)
      .toSorted((one, other) => stations.indexOf(one) - stations.indexOf(other))
      .map((station) => steps.indexOf(methods[station]!));
    assert.ok(!places.includes(-1));
    assert.deepEqual(
      places,
      places.toSorted((one, other) => one - other),
    );
  });

  it('and the page of the architecture name the same stations', () => {
    const section = sectionOf(readText('docs/ARCHITECTURE.md'), '## The way in: `data-plane/inbound.ts`');
    const block = /```\n([\s\S]*?)```/.exec(section)![1]!;
    const named = [...block.matchAll(/^.{34}([a-z][\w-]*(?: \w+)?) {2,}/gm)].map(([, name = '']) => name);
    assert.deepEqual(named, stations);
  });
});
