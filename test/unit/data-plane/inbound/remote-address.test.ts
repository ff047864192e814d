import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileRemoteAddress } from '../../../../src/data-plane/inbound/remote-address.ts';
import { inboundRequest } from '../../../support/access-request.ts';
import { nodeRequest } from '../../../support/node-request.ts';

const peer = '192.0.2.9';
const { connection } = inboundRequest({ remoteAddress: peer }).access;

describe('the address of the client', () => {
  // As Envoy 1.40 answers with `use_remote_address` and `xff_num_trusted_hops`.
  const rows = [
    { name: 'nobody-in-front', hops: 0, forwarded: ['1.1.1.1'], is: peer },
    { name: 'one-proxy', hops: 1, forwarded: ['1.1.1.1, 2.2.2.2'], is: '2.2.2.2' },
    { name: 'two-proxies', hops: 2, forwarded: ['1.1.1.1,2.2.2.2,3.3.3.3'], is: '2.2.2.2' },
    { name: 'fewer-places-than-proxies', hops: 2, forwarded: ['1.1.1.1'], is: peer },
    { name: 'no-header', hops: 1, forwarded: [], is: peer },
    { name: 'several-headers-are-one-list', hops: 1, forwarded: ['1.1.1.1', '2.2.2.2'], is: '2.2.2.2' },
    { name: 'spaces', hops: 1, forwarded: ['1.1.1.1,  4.4.4.4 '], is: '4.4.4.4' },
    { name: 'forged-places-before', hops: 1, forwarded: ['unknown, <script>, 2.2.2.2'], is: '2.2.2.2' },
    { name: 'with-a-port', hops: 1, forwarded: ['1.1.1.1:80'], is: peer },
    { name: 'no-address', hops: 1, forwarded: ['2.2.2.2, x'], is: peer },
    { name: 'empty-place', hops: 1, forwarded: ['2.2.2.2,'], is: peer },
    { name: 'empty', hops: 1, forwarded: [''], is: peer },
    { name: 'address-of-six', hops: 1, forwarded: ['2001:db8::1'], is: '2001:db8::1' },
  ];
  for (const { name, hops, forwarded, is } of rows) {
    it(name, () => {
      const request = nodeRequest(['Host', 'orders', ...forwarded.flatMap((value) => ['X-Forwarded-For', value])]);
      assert.equal(compileRemoteAddress(hops)(request, connection), is);
    });
  }
});
