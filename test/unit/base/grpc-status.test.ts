import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { status } from '@grpc/grpc-js';
import { grpcStatusFromHttp, grpcStatusNames, grpcStatusNumber } from '../../../src/base/grpc-status.ts';

describe('the statuses of gRPC', () => {
  it('have the numbers that grpc-js gives them', () => {
    assert.deepEqual(
      Object.entries(status).filter(([, code]) => typeof code === 'number'),
      grpcStatusNames.map((name) => [name, grpcStatusNumber(name)]),
    );
    assert.equal(grpcStatusNumber('unavailable'), -1);
  });

  it('stand for statuses of HTTP as gRPC maps them', () => {
    const names = [200, 400, 401, 403, 404, 408, 429, 500, 502, 503, 504].map((code) => status[grpcStatusFromHttp(code)]);
    assert.deepEqual(names, [
      'UNKNOWN',
      'INTERNAL',
      'UNAUTHENTICATED',
      'PERMISSION_DENIED',
      'UNIMPLEMENTED',
      'UNKNOWN',
      'UNAVAILABLE',
      'UNKNOWN',
      'UNAVAILABLE',
      'UNAVAILABLE',
      'UNAVAILABLE',
    ]);
  });
});
