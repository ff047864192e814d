import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hostNameFrom, isLocalhost, literalFrom } from '../../../../src/wire/dns/host-name.ts';

describe('a host name', () => {
  for (const row of [
    { name: 'plain', input: 'orders', text: 'orders', isAbsolute: false },
    { name: 'upper-case', input: 'Orders.EXAMPLE', text: 'orders.example', isAbsolute: false },
    { name: 'trailing-dot-is-absolute', input: 'orders.example.', text: 'orders.example', isAbsolute: true },
    { name: 'underscores-of-srv', input: '_http._tcp.orders', text: '_http._tcp.orders', isAbsolute: false },
    { name: 'international', input: 'bücher.example', text: 'xn--bcher-kva.example', isAbsolute: false },
    { name: 'longest-label', input: 'a'.repeat(63), text: 'a'.repeat(63), isAbsolute: false },
  ]) {
    it(`is normalised: ${row.name}`, () => {
      assert.deepEqual(hostNameFrom(row.input), { text: row.text, isAbsolute: row.isAbsolute });
    });
  }

  for (const row of [
    { name: 'empty', input: '' },
    { name: 'only-a-dot', input: '.' },
    { name: 'empty-label', input: 'a..b' },
    { name: 'label-of-64', input: 'a'.repeat(64) },
    { name: 'name-of-254', input: `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(62)}` },
    { name: 'space', input: 'a b' },
    { name: 'backslash-escape', input: 'a\\046b' },
    { name: 'control-character', input: 'a\u0000b' },
    { name: 'slash', input: 'a/b' },
    { name: 'wildcard', input: '*.example' },
    { name: 'huge', input: 'a.'.repeat(100_000) },
  ]) {
    it(`is refused: ${row.name}`, () => {
      assert.equal(hostNameFrom(row.input), undefined);
    });
  }

  it('is localhost by itself and below, and not above', () => {
    const isLocal = (name: string): boolean => isLocalhost(hostNameFrom(name)!);
    assert.deepEqual(['localhost', 'LOCALHOST.', 'a.localhost', 'localhost.example', 'notlocalhost'].map(isLocal), [
      true,
      true,
      true,
      false,
      false,
    ]);
  });

  it('is told from an address, with or without brackets', () => {
    assert.deepEqual(literalFrom('192.0.2.1'), { address: '192.0.2.1', family: 4 });
    assert.deepEqual(literalFrom('[2001:db8::1]'), { address: '2001:db8::1', family: 6 });
    assert.deepEqual(literalFrom('2001:db8::1'), { address: '2001:db8::1', family: 6 });
    assert.equal(literalFrom('192.0.2'), undefined);
    assert.equal(literalFrom('orders'), undefined);
  });
});
