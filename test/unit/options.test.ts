import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkOptions, optionTable } from '../../src/options.ts';

describe('the options of createMesh', () => {
  it('are asked for by the name that was meant when one is unknown', () => {
    assert.throws(() => checkOptions({ configTimeout: 1 }), {
      name: 'TypeError',
      message: `createMesh has no option "configTimeout"; did you mean "configTimeoutMs"? (known here: ${Object.keys(optionTable).join(', ')})`,
    });
  });

  it('send services to where they belong', () => {
    assert.throws(() => checkOptions({ services: {} }), {
      message: /no option "services"; put it under controlPlane: \{ services: … \}$/,
    });
  });

  it('are no methods of objects', () => {
    assert.throws(() => checkOptions({ toString: 'x' }), { message: /^createMesh has no option "toString"; known here: / });
  });

  const wrong: readonly { readonly name: keyof typeof optionTable; readonly value: unknown }[] = [
    { name: 'name', value: '' },
    { name: 'controlPlane', value: 8500 },
    { name: 'unknownHosts', value: 'allow' },
    { name: 'configTimeoutMs', value: -1 },
    { name: 'drainTimeoutMs', value: '5s' },
    { name: 'nonIdempotentRetries', value: 'sometimes' },
    { name: 'locality', value: 'eu-1' },
    { name: 'locality', value: {} },
    { name: 'locality', value: { zone: '' } },
    { name: 'locality', value: { Zone: 'eu-1' } },
    { name: 'endpointDispatcher', value: {} },
    { name: 'clock', value: Date.now },
    { name: 'random', value: 0.5 },
  ];
  for (const { name, value } of wrong) {
    it(`say what is right when one has a wrong value: ${name} ${typeof value === 'object' ? JSON.stringify(value) : ''}`, () => {
      assert.throws(() => checkOptions({ [name]: value }), {
        name: 'TypeError',
        message: `the option "${name}" must be ${optionTable[name].expected}`,
      });
    });
  }

  it('are each tested with a wrong value', () =>
    assert.deepEqual([...new Set(wrong.map(({ name }) => name))], Object.keys(optionTable)));

  it('may be undefined', () => checkOptions({ name: undefined, clock: undefined }));
});
