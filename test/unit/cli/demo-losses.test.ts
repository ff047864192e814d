/** What the demo says when requests are lost. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MeshError } from '../../../src/base/errors.ts';
import { lossesByKind, lossFrom, lossFromBody, lossLines } from '../../../src/cli/demo/loss.ts';

const refused = new MeshError('MESH_CONNECT_FAILED', 'GET orders/1: refused', { attempts: [] });
const lost = lossFrom(new TypeError('fetch failed', { cause: refused }), 'frontend');

describe('the demo says of lost requests', () => {
  it('which mesh said what, with code and flags, also when another process hands it on', () => {
    assert.deepEqual(lost, { at: 'frontend', code: 'MESH_CONNECT_FAILED', flags: 'UF', message: 'GET orders/1: refused' });
    assert.deepEqual(lossFromBody(JSON.stringify(lost), 502, 'demo'), lost);
  });

  it('the status and the text of an answer that none of its processes gave', () => {
    const other = { at: 'demo', code: '503', flags: '-', message: 'no database' };
    assert.deepEqual(lossFromBody('no database', 503, 'demo'), other);
    assert.deepEqual(lossFromBody('{}', 503, 'demo'), { ...other, message: '{}' });
  });

  it('how many of each kind there were, and how the endpoints stand', () => {
    const other = lossFromBody('no database', 503, 'demo');
    const endpoint = { at: 'frontend', cluster: 'orders', address: '127.0.0.1:7001', state: 'outlier', requests: 9, failures: 7 };
    const kinds = lossesByKind([other, lost, lost]);
    assert.deepEqual(
      lossLines(kinds, [endpoint], () => 'orders-1'),
      [
        '    2 × MESH_CONNECT_FAILED (UF) at frontend, the first: GET orders/1: refused',
        '    1 × 503 (-) at demo, the first: no database',
        '  the endpoints at the end:',
        '    frontend → orders → orders-1: outlier, 7 of 9 failed',
      ],
    );
    assert.deepEqual(
      lossLines([], [], () => ''),
      [],
    );
  });
});
