import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { xdsOptionsFromUrl } from '../../../src/control-plane/xds/options-from-url.ts';
import { closedPort } from '../../support/servers.ts';
import { readText, sectionOf, tableRows } from './markdown.ts';
import { runPage } from './run-page.ts';

const page = readText('docs/how-to/connect-xds.md');

describe('how to connect to an xDS server', () => {
  it('is run as it stands: a change is followed, a mistake is refused and told', async () => {
    const ports = new Map([
      ['7001', await closedPort()],
      ['7002', await closedPort()],
      ['18000', await closedPort()],
    ]);
    const { outputs } = await runPage('docs/how-to/connect-xds.md', { ports });
    assert.match(outputs.at(-1)!, new RegExp(`an order from ${ports.get('7002')}`));
  });

  it('names every parameter of the URL and no other', () => {
    const named = tableRows(sectionOf(page, '## Options')).flatMap(([cell = '']) => cell.replaceAll('`', '').split(', '));
    const { message } = captured(() => xdsOptionsFromUrl('xds://127.0.0.1:1?none=1'));
    const [, known = ''] = /there are (.+)$/.exec(message) ?? [];
    assert.deepEqual(named.toSorted(), known.split(', ').toSorted());
  });
});

function captured(act: () => void): Error {
  try {
    act();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}
