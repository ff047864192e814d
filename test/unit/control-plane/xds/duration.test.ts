import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { durationMsFrom } from '../../../../src/control-plane/xds/translate/duration.ts';

describe('a duration of protobuf', () => {
  const good: readonly { readonly name: string; readonly value: unknown; readonly ms: number }[] = [
    { name: 'seconds', value: '5s', ms: 5000 },
    { name: 'part-of-a-second', value: '0.25s', ms: 250 },
    { name: 'nanoseconds', value: '0.000000001s', ms: 1e-6 },
    { name: 'nothing', value: '0s', ms: 0 },
    { name: 'minus-nothing', value: '-0s', ms: 0 },
    { name: 'message', value: { seconds: 30 }, ms: 30_000 },
    { name: 'message-of-nanos', value: { nanos: 500_000_000 }, ms: 500 },
    { name: 'message-with-seconds-as-text', value: { seconds: '2', nanos: 1_000_000 }, ms: 2001 },
    { name: 'empty-message', value: {}, ms: 0 },
    { name: 'the-longest', value: '315576000000s', ms: 315_576_000_000_000 },
  ];
  for (const { name, value, ms } of good) it(`is read: ${name}`, () => assert.equal(durationMsFrom(value), ms));

  const bad: readonly { readonly name: string; readonly value: unknown }[] = [
    { name: 'number', value: 5 },
    { name: 'no-unit', value: '5' },
    { name: 'other-unit', value: '250ms' },
    { name: 'minutes', value: '1m' },
    { name: 'nothing-before-the-point', value: '.5s' },
    { name: 'nothing-after-the-point', value: '5.s' },
    { name: 'too-many-digits', value: '0.0000000001s' },
    { name: 'negative', value: '-1s' },
    { name: 'negative-message', value: { seconds: -1 } },
    { name: 'negative-nanos', value: { nanos: -1 } },
    { name: 'too-long', value: '315576000001s' },
    { name: 'nanos-of-more-than-a-second', value: { nanos: 1_000_000_000 } },
    { name: 'half-seconds', value: { seconds: 0.5 } },
    { name: 'other-keys', value: { ms: 5 } },
    { name: 'exponent', value: '1e3s' },
    { name: 'space', value: '5 s' },
    { name: 'list', value: ['5s'] },
    { name: 'flag', value: true },
  ];
  for (const { name, value } of bad) it(`is refused: ${name}`, () => assert.equal(typeof durationMsFrom(value), 'string'));
});
