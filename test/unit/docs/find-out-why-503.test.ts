import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { errorTable } from '../../../src/base/errors.ts';
import { purposeFlags } from '../../../src/data-plane/local-response.ts';
import { spanTable } from '../../../src/telemetry/instruments.ts';
import { closedPort } from '../../support/servers.ts';
import { readText, sectionOf, tableRows } from './markdown.ts';
import { runPage } from './run-page.ts';

const path = 'docs/how-to/find-out-why-503.md';
const page = readText(path);

describe('how to find out why a request got 503', () => {
  it('shows what really happens, block by block', async () => {
    const ports = new Map([
      ['7001', await closedPort()],
      ['7002', await closedPort()],
    ]);
    const { outputs } = await runPage(path, { ports });
    const answers = outputs.find((output) => output.includes('MESH_CIRCUIT_OPEN'))!.match(/^the service answered 503/gm);
    assert.equal(answers?.length, 10); // minimumRequests: 10
  });

  it('has a row for every flag, those of a retried, a cancelled and a request that was meddled with among them, and no other', () => {
    const flags = new Set(Object.values(errorTable).flatMap(({ flag }) => flag.split(',')));
    const rows = tableRows(sectionOf(page, '## 5. Look up the flag')).map(([flag = '']) => flag.replaceAll('`', ''));
    assert.deepEqual(rows.toSorted(), [...flags, ...purposeFlags, 'DC', 'URX'].toSorted());
  });

  it('names every code of a flag that has several, and none of another flag', () => {
    for (const [flag = '', , , remedy = ''] of tableRows(sectionOf(page, '## 5. Look up the flag'))) {
      const own = Object.entries(errorTable).filter(([, row]) => row.flag === flag.replaceAll('`', ''));
      const named = [...remedy.matchAll(/MESH_[A-Z_]+/g)].map(([code]) => code);
      if (named.length > 0) assert.deepEqual(named.toSorted(), own.map(([code]) => code).toSorted(), flag);
    }
  });

  it('knows the attributes of spans', () => {
    const all = new Set<string>([...spanTable.request.attributes, ...spanTable.attempt.attributes]);
    for (const [names = ''] of tableRows(sectionOf(page, '## From a span')))
      for (const [, name = ''] of names.matchAll(/`([^`]+)`/g)) assert.ok(all.has(name), name);
  });
});
