import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { errorTable, isMeshError, MeshError, type MeshErrorCode } from '../../../src/base/errors.ts';

/** Envoy's response flags that this table uses (`%RESPONSE_FLAGS%`). */
const envoyFlags = new Set(['NR', 'NC', 'UH', 'UF', 'UC', 'UR', 'UPE', 'UT', 'SI', 'UO', 'DO', 'DF', 'DT', '-']);
const grpcStatuses = new Set(['UNAVAILABLE', 'UNIMPLEMENTED', 'DEADLINE_EXCEEDED', 'INTERNAL']);

describe('the table of errors', () => {
  for (const [code, row] of Object.entries(errorTable)) {
    it(`${code} says what happened, what Envoy calls it, and what to do next`, () => {
      assert.match(code, /^MESH_[A-Z_]+$/);
      for (const flag of row.flag.split(',')) assert.ok(envoyFlags.has(flag), flag);
      assert.ok(grpcStatuses.has(row.grpcStatus), row.grpcStatus);
      assert.ok(row.status >= 200 && row.status < 600);
      assert.match(row.details, /^[a-z_]+(\{[\w|]+\})?$/i);
      for (const text of [row.meaning, row.remedy]) assert.match(text, /^[A-Z`].*\.$/);
    });
  }
});

describe('a MeshError', () => {
  it('has the words of its row, and what is known of the request', () => {
    const cause = new Error('ECONNREFUSED');
    const attempts = [{ number: 1, startMs: 0, durationMs: 1, endpoint: '192.0.2.1:80' }];
    const error = new MeshError('MESH_CONNECT_FAILED', 'no connection', {
      cause,
      attempts,
      cluster: 'orders',
      endpoint: '192.0.2.1:80',
      route: 'r',
      configVersion: '7',
      mayHaveBeenProcessed: true,
      details: { ejected: 1 },
    });
    assert.ok(error instanceof Error);
    assert.ok(!(error instanceof TypeError), 'p-retry would never retry a TypeError');
    assert.deepEqual(
      { ...(error as object), message: error.message, cause: error.cause, name: error.name },
      {
        name: 'MeshError',
        message: 'no connection',
        cause,
        code: 'MESH_CONNECT_FAILED',
        flags: 'UF',
        responseCodeDetails: 'upstream_reset_before_response_started{remote_connection_failure}',
        status: 503,
        grpcStatus: 'UNAVAILABLE',
        remedy: errorTable.MESH_CONNECT_FAILED.remedy,
        attempts,
        cluster: 'orders',
        endpoint: '192.0.2.1:80',
        route: 'r',
        configVersion: '7',
        mayHaveBeenProcessed: true,
        details: { ejected: 1 },
      },
    );
  });

  it('claims nothing that is not known', () => {
    const { attempts, cluster, mayHaveBeenProcessed, details } = new MeshError('MESH_TIMEOUT', 'late');
    assert.deepEqual(
      { attempts, cluster, mayHaveBeenProcessed, details },
      { attempts: [], cluster: undefined, mayHaveBeenProcessed: false, details: {} },
    );
    assert.equal(Object.hasOwn(new MeshError('MESH_TIMEOUT', 'late'), 'cause'), false);
  });

  const flags: readonly { readonly code: MeshErrorCode; readonly flags: string }[] = [
    { code: 'MESH_CONNECT_FAILED', flags: 'URX,UF' },
    { code: 'MESH_DNS_FAILED', flags: 'URX,UH,DF' },
    { code: 'MESH_REQUEST_INVALID', flags: 'URX' },
  ];
  for (const row of flags) {
    it(`has Envoy's URX in front where retries are exhausted: ${row.code}`, () =>
      assert.equal(new MeshError(row.code, 'x', { retriesExhausted: true }).flags, row.flags));
  }

  it('is known from any copy of the package, and nothing else is', async () => {
    const copy = (await import(`../../../src/base/errors.ts?copy=${process.pid}`)) as { MeshError: typeof MeshError };
    const error = new copy.MeshError('MESH_TIMEOUT', 'late');
    assert.ok(!(error instanceof MeshError));
    assert.ok(isMeshError(error));
    for (const other of [
      new Error('x'),
      Object.assign(new Error('x'), { name: 'MeshError' }),
      { name: 'MeshError' },
      null,
      'MESH_TIMEOUT',
    ])
      assert.equal(isMeshError(other), false);
  });
});
