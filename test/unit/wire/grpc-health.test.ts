import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeHealthRequest, decodeHealthStatus, encodeHealthRequest } from '../../../src/wire/grpc-health.ts';

describe('messages of the gRPC health protocol', () => {
  for (const { name, service, hex } of [
    { name: 'whole-server-is-an-empty-message', service: '', hex: '' },
    { name: 'service-is-field-one', service: 'abc', hex: '0a03616263' },
    { name: 'length-of-two-bytes', service: 'x'.repeat(200), hex: `0ac801${'78'.repeat(200)}` },
    { name: 'length-in-utf8', service: 'é', hex: '0a02c3a9' },
  ])
    it(`writes and reads ${name}`, () => {
      const message = encodeHealthRequest({ service });
      assert.equal(message.toString('hex'), hex);
      assert.deepEqual(decodeHealthRequest(message), { service });
    });

  for (const { name, hex, status } of [
    { name: 'serving', hex: '0801', status: 'SERVING' },
    { name: 'not-serving', hex: '0802', status: 'NOT_SERVING' },
    { name: 'service-unknown', hex: '0803', status: 'SERVICE_UNKNOWN' },
    { name: 'absent-is-the-default', hex: '', status: 'UNKNOWN' },
    { name: 'number-that-nobody-knows', hex: '0863', status: 'UNKNOWN' },
    { name: 'last-of-two', hex: '08020801', status: 'SERVING' },
    { name: 'other-fields-are-passed-over', hex: '12034142431d0102030420010801', status: 'SERVING' },
    { name: 'cut-short', hex: '08', status: undefined },
    { name: 'length-beyond-the-end', hex: '120941', status: undefined },
    { name: 'endless-varint', hex: `08${'ff'.repeat(11)}`, status: undefined },
    { name: 'group', hex: '0b', status: undefined },
    { name: 'field-number-zero', hex: '0001', status: undefined },
  ])
    it(`reads ${name}`, () => assert.equal(decodeHealthStatus(Buffer.from(hex, 'hex')), status));
});
