import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import {
  giveSendOptionsBack,
  takeSendOptions,
  type DispatchOptions,
  type SendOptions,
} from '../../../src/data-plane/send-options.ts';

const base: DispatchOptions = { path: '/', method: 'GET' };

function loaded(headers: unknown): SendOptions {
  const send = takeSendOptions();
  send.load(base, '/', headers as DispatchOptions['headers']);
  return send;
}

function sent(send: SendOptions): unknown {
  const headers = [...(send.ready().headers as readonly unknown[])];
  giveSendOptionsBack(send.ready());
  return headers;
}

describe('the options that undici gets', () => {
  it('have every field that its Request reads', () => {
    const source = readFileSync(new URL('../../../node_modules/undici/lib/core/request.js', import.meta.url), 'utf8');
    const list = /class Request \{\s*constructor \(origin, \{([^}]*)\}, handler\)/.exec(source)![1]!;
    const fields = list.split(',').map((field) => field.trim());
    const send = takeSendOptions();
    for (const field of fields) assert.ok(Object.hasOwn(send, field), `${field} would be lost`);
    const everything = Object.fromEntries(fields.map((field) => [field, `the ${field}`])) as unknown as DispatchOptions;
    send.load(everything, everything.path, ['x-a', '1']);
    for (const field of fields.filter((name) => name !== 'headers'))
      assert.equal(send[field as keyof SendOptions], `the ${field}`, field);
    giveSendOptionsBack(send.ready());
  });

  const forms: Readonly<Record<string, unknown>> = {
    object: { 'X-A': '1', 'x-b': ['2', '3'] },
    'flat-array': ['X-A', '1', 'x-b', ['2', '3']],
    map: new Map<string, unknown>([
      ['X-A', '1'],
      ['x-b', ['2', '3']],
    ]),
    pairs: new Set([
      ['X-A', '1'],
      ['x-b', ['2', '3']],
    ]),
  };
  for (const [name, headers] of Object.entries(forms)) {
    it(`keep the headers of the caller in any form: ${name}`, () => {
      assert.deepEqual(sent(loaded(headers)), ['X-A', '1', 'x-b', ['2', '3']]);
    });

    it(`have one value of what is set, whatever its case: ${name}`, () => {
      const send = loaded(headers);
      send.setHeader('x-a', 'new');
      send.setHeader('x-c', '4');
      assert.deepEqual(sent(send), ['X-A', 'new', 'x-b', ['2', '3'], 'x-c', '4']);
    });

    it(`leave what is there when something is only added: ${name}`, () => {
      const send = loaded(headers);
      send.addHeader('x-a', 'new');
      send.addHeader('host', 'orders');
      assert.deepEqual(sent(send), ['X-A', '1', 'x-b', ['2', '3'], 'host', 'orders']);
    });
  }

  it('lose what is taken off, and repeated values of what is set', () => {
    const send = loaded(['a', '1', 'B', '2', 'a', '3', 'c', '4', 'A', '5']);
    send.setHeader('a', 'one');
    send.removeHeaders(new Set(['b']));
    assert.deepEqual(sent(send), ['a', 'one', 'c', '4']);
  });

  it('have none of those of the request before', () => {
    sent(loaded({ a: '1', b: '2', authorization: 'secret' }));
    assert.deepEqual(sent(loaded({ c: '3' })), ['c', '3']);
    assert.deepEqual(sent(loaded(null)), []);
  });

  it('are not those of another request that is sent meanwhile', () => {
    const outer = takeSendOptions();
    const headers = {
      *[Symbol.iterator]() {
        yield ['a', '1'];
        assert.deepEqual(sent(loaded({ inner: 'x' })), ['inner', 'x']);
        yield ['b', '2'];
      },
    };
    outer.load(base, '/', headers);
    assert.deepEqual(sent(outer), ['a', '1', 'b', '2']);
  });

  it('keep no body alive when they are given back', () => {
    const send = takeSendOptions();
    send.load({ ...base, body: 'a long text' }, '/', null);
    giveSendOptionsBack(send.ready());
    assert.equal(send.body, undefined);
  });

  it('lose the query option when the path was rewritten, which has it already', () => {
    const send = takeSendOptions();
    send.load({ ...base, query: { a: 1 } }, '/new?a=1', null);
    assert.equal(send.ready().query, undefined);
    giveSendOptionsBack(send.ready());
  });
});
