import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MeshErrorCode } from '../../../../src/base/errors.ts';
import { loadVerdict, type LoadVerdict } from '../../../../src/data-plane/resilience/load-verdict.ts';
import type { Outcome } from '../../../../src/data-plane/resilience/outcome.ts';

const response = (status: number, grpcStatus?: string): Outcome => ({ kind: 'response', status, grpcStatus, headers: {} });
const failure = (code: MeshErrorCode, ours = false): Outcome => ({
  kind: 'failure',
  code,
  mayHaveBeenProcessed: true,
  localOrigin: true,
  ours,
  reason: '',
});

describe('loadVerdict', () => {
  const rows: readonly { name: string; outcome: Outcome; verdict: LoadVerdict }[] = [
    { name: 'ok', outcome: response(200), verdict: 'success' },
    { name: 'redirect', outcome: response(302), verdict: 'success' },
    { name: 'not-found', outcome: response(404), verdict: 'error' },
    { name: 'internal-error', outcome: response(500), verdict: 'error' },
    { name: 'bad-gateway', outcome: response(502), verdict: 'error' },
    { name: 'too-many-requests', outcome: response(429), verdict: 'dropped' },
    { name: 'unavailable', outcome: response(503), verdict: 'dropped' },
    { name: 'gateway-timeout', outcome: response(504), verdict: 'dropped' },
    { name: 'grpc-ok', outcome: response(200, '0'), verdict: 'success' },
    { name: 'grpc-not-found', outcome: response(200, '5'), verdict: 'error' },
    { name: 'grpc-deadline-exceeded', outcome: response(200, '4'), verdict: 'dropped' },
    { name: 'grpc-resource-exhausted', outcome: response(200, '8'), verdict: 'dropped' },
    { name: 'grpc-unavailable', outcome: response(200, '14'), verdict: 'dropped' },
    { name: 'per-try-timeout', outcome: failure('MESH_PER_TRY_TIMEOUT'), verdict: 'dropped' },
    { name: 'per-try-timeout-in-our-queue', outcome: failure('MESH_PER_TRY_TIMEOUT', true), verdict: 'ignored' },
    { name: 'connection-refused', outcome: failure('MESH_CONNECT_FAILED'), verdict: 'dropped' },
    { name: 'out-of-our-descriptors', outcome: failure('MESH_CONNECT_FAILED', true), verdict: 'ignored' },
    { name: 'our-overflow', outcome: failure('MESH_OVERFLOW', true), verdict: 'ignored' },
    { name: 'handshake', outcome: failure('MESH_TLS_FAILED'), verdict: 'error' },
  ];
  for (const { name, outcome, verdict } of rows) {
    it(`takes ${name} as ${verdict}`, () => assert.equal(loadVerdict(outcome), verdict));
  }
});
