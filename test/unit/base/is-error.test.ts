import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runInNewContext } from 'node:vm';
import { MeshError } from '../../../src/base/errors.ts';
import { isError } from '../../../src/base/is-error.ts';
import { classifyError } from '../../../src/data-plane/resilience/classify.ts';
import { codeOf } from '../../../src/data-plane/transport/connect-error.ts';

/** As Node's own errors are to code that a test runner loads into a realm of its own. */
const foreign = (words: string): unknown => runInNewContext(words);

describe('an error', () => {
  const rows = [
    { name: 'error', value: new Error('a'), is: true },
    { name: 'subclass', value: new MeshError('MESH_RESET', 'a'), is: true },
    { name: 'dom-exception', value: new DOMException('a'), is: true },
    { name: 'of-another-realm', value: foreign("new TypeError('a')"), is: true },
    { name: 'of-several', value: foreign('new AggregateError([])'), is: true },
    { name: 'object', value: { name: 'Error', message: 'a' }, is: false },
    { name: 'text', value: 'Error', is: false },
    { name: 'nothing', value: undefined, is: false },
  ];
  for (const { name, value, is } of rows) it(`is told from what is none: ${name}`, () => assert.equal(isError(value), is));

  const phase = { requestStarted: true, responseStarted: false };
  it('of the system is classified alike in every realm', () => {
    const error = foreign("Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })");
    assert.equal(classifyError(error, phase).code, 'MESH_RESET');
    assert.equal(
      codeOf(foreign("new AggregateError([Object.assign(new Error(''), { code: 'ECONNREFUSED' })], '')")),
      'ECONNREFUSED',
    );
  });
});
