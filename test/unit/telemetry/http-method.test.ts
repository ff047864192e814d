import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createKnownMethods, methodLabel } from '../../../src/telemetry/http-method.ts';

describe('methodLabel', () => {
  const rows = [
    { name: 'standard', override: undefined, method: 'PATCH', label: 'PATCH' },
    { name: 'lower-case', override: undefined, method: 'get', label: 'GET' },
    { name: 'invented', override: undefined, method: 'FROB', label: '_OTHER' },
    { name: 'override-adds', override: 'GET, PURGE', method: 'PURGE', label: 'PURGE' },
    { name: 'override-replaces', override: 'GET,PURGE', method: 'POST', label: '_OTHER' },
    { name: 'empty-override', override: ' ', method: 'POST', label: 'POST' },
  ];
  for (const { name, override, method, label } of rows) {
    it(`names known methods and no others: ${name}`, () => {
      assert.equal(methodLabel(createKnownMethods(override), method), label);
    });
  }
});
