import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { healthCheckRequest, servingStatusFrom } from '../../../../src/data-plane/health-checks/grpc-health.ts';

describe('messages of the gRPC health protocol', () => {
  for (const { name, service, hex } of [
    { name: 'whole-server-is-an-empty-message', service: '', hex: '0000000000' },
    { name: 'service-is-field-one', service: 'abc', hex: '00000000050a03616263' },
    { name: 'length-of-two-bytes', service: 'x'.repeat(200), hex: `00000000cb0ac801${'78'.repeat(200)}` },
    { name: 'length-in-utf8', service: 'é', hex: '00000000040a02c3a9' },
  ])
    it(`writes ${name}`, () => assert.equal(healthCheckRequest(service).toString('hex'), hex));

  for (const { name, hex, status } of [
    { name: 'serving', hex: '00000000020801', status: 'SERVING' },
    { name: 'not-serving', hex: '00000000020802', status: 'NOT_SERVING' },
    { name: 'service-unknown', hex: '00000000020803', status: 'SERVICE_UNKNOWN' },
    { name: 'absent-is-the-default', hex: '0000000000', status: 'UNKNOWN' },
    { name: 'number-that-nobody-knows', hex: '00000000020863', status: 'UNKNOWN' },
    { name: 'last-of-two', hex: '000000000408020801', status: 'SERVING' },
    { name: 'other-fields-are-passed-over', hex: '000000000e12034142431d0102030420010801', status: 'SERVING' },
    { name: 'cut-short', hex: '000000000208', status: undefined },
    { name: 'no-frame', hex: '0801', status: undefined },
    { name: 'compressed', hex: '01000000020801', status: undefined },
    { name: 'two-messages', hex: '0000000002080100000000020801', status: undefined },
    { name: 'length-beyond-the-end', hex: '0000000003120941', status: undefined },
    { name: 'endless-varint', hex: `000000000c08${'ff'.repeat(11)}`, status: undefined },
    { name: 'group', hex: '00000000010b', status: undefined },
    { name: 'field-number-zero', hex: '00000000020001', status: undefined },
    { name: 'empty', hex: '', status: undefined },
  ])
    it(`reads ${name}`, () => assert.equal(servingStatusFrom(Buffer.from(hex, 'hex')), status));
});
