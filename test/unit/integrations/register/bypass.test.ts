import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createBypass } from '../../../../src/integrations/register/bypass.ts';

describe('hosts that the mesh keeps out of', () => {
  const rows: readonly {
    readonly name: string;
    readonly list?: string;
    readonly host: string;
    readonly port?: number;
    readonly is: boolean;
  }[] = [
    { name: 'localhost', host: 'localhost', is: true },
    { name: 'below-localhost', host: 'api.localhost', is: true },
    { name: 'localhost-with-its-dot', host: 'localhost.', is: true },
    { name: 'name-that-ends-like-localhost', host: 'notlocalhost', is: false },
    { name: 'loopback', host: '127.0.0.1', is: true },
    { name: 'far-end-of-loopback', host: '127.255.255.254', is: true },
    { name: 'loopback-of-ipv6', host: '[::1]', is: true },
    { name: 'loopback-mapped-into-ipv6', host: '[::ffff:7f00:1]', is: true },
    { name: 'unspecified', host: '0.0.0.0', is: true },
    { name: 'unspecified-of-ipv6', host: '[::]', is: true },
    { name: 'metadata-of-aws', host: '169.254.169.254', is: true },
    { name: 'credentials-of-ecs', host: '169.254.170.2', is: true },
    { name: 'metadata-of-aws-by-ipv6', host: '[fd00:ec2::254]', is: true },
    { name: 'credentials-of-eks-by-ipv6', host: '[fd00:ec2::23]', is: true },
    { name: 'metadata-translated-to-ipv6', host: '[64:ff9b::a9fe:a9fe]', is: true },
    { name: 'host-agent-of-azure', host: '168.63.129.16', is: true },
    { name: 'metadata-of-google-by-ipv6', host: '[fd20:ce::254]', is: true },
    { name: 'metadata-of-google', host: 'metadata.google.internal', is: true },
    { name: 'metadata-of-google-absolute', host: 'metadata.google.internal.', is: true },
    { name: 'metadata-of-alibaba', host: '100.100.100.200', is: true },
    { name: 'link-local-of-ipv6', host: '[fe80::1]', is: true },
    { name: 'private-address', host: '10.0.0.1', is: false },
    { name: 'other-unique-local', host: '[fd00:ec2::253]', is: false },
    { name: 'service', host: 'orders', is: false },
    { name: 'listed', list: 'orders', host: 'orders', is: true },
    { name: 'listed-in-capitals', list: 'Orders', host: 'orders', is: true },
    { name: 'listed-among-others', list: 'a, b  orders,c', host: 'orders', is: true },
    { name: 'below-a-listed-name', list: 'orders', host: 'x.orders', is: false },
    { name: 'below-a-suffix', list: '.internal', host: 'db.internal', is: true },
    { name: 'the-suffix-itself', list: '.internal', host: 'internal', is: false },
    { name: 'below-a-wildcard', list: '*.internal', host: 'a.b.internal', is: true },
    { name: 'on-the-listed-port', list: 'orders:8080', host: 'orders', port: 8080, is: true },
    { name: 'on-another-port', list: 'orders:8080', host: 'orders', port: 80, is: false },
    { name: 'everything', list: '*', host: 'orders', is: true },
    { name: 'everything-on-a-port', list: '*:443', host: 'orders', port: 80, is: false },
    { name: 'in-a-network', list: '10.0.0.0/8', host: '10.255.0.1', is: true },
    { name: 'beside-a-network', list: '10.0.0.0/8', host: '11.0.0.1', is: false },
    { name: 'name-and-a-network', list: '10.0.0.0/8', host: 'orders', is: false },
    { name: 'in-a-network-of-ipv6', list: '2001:db8::/32', host: '[2001:db8::7]', is: true },
    { name: 'in-a-range', list: '10.0.0.1-10.0.0.9', host: '10.0.0.9', is: true },
    { name: 'past-a-range', list: '10.0.0.1-10.0.0.9', host: '10.0.0.10', is: false },
    { name: 'address-on-its-port', list: '10.0.0.7:8080', host: '10.0.0.7', port: 8080, is: true },
    { name: 'ipv6-on-its-port', list: '[2001:db8::7]:8080', host: '[2001:db8::7]', port: 8080, is: true },
    { name: 'ipv6-on-another-port', list: '[2001:db8::7]:8080', host: '[2001:db8::7]', port: 80, is: false },
    { name: 'ipv6-in-brackets', list: '[2001:db8::7]', host: '[2001:db8::7]', is: true },
    { name: 'name-with-a-dash', list: 'my-orders', host: 'my-orders', is: true },
    { name: 'empty-list', list: ' , ', host: 'orders', is: false },
  ];
  for (const { name, list, host, port = 80, is } of rows)
    it(`${name}: ${is}`, () => assert.equal(createBypass(list)(host, port), is));

  const mistakes: readonly { readonly name: string; readonly list: string }[] = [
    { name: 'url', list: 'http://orders' },
    { name: 'prefix-too-long', list: '10.0.0.0/33' },
    { name: 'prefix-of-letters', list: '10.0.0.0/x' },
    { name: 'network-of-a-name', list: 'orders/8' },
    { name: 'half-an-address', list: '10.0.0' },
    { name: 'address-with-a-wildcard', list: '10.0.0.*' },
    { name: 'range-backwards', list: '10.0.0.9-10.0.0.1' },
    { name: 'port-zero', list: 'orders:0' },
    { name: 'port-too-high', list: 'orders:65536' },
    { name: 'star-in-the-middle', list: 'a.*.internal' },
  ];
  for (const { name, list } of mistakes)
    it(`are told when the list has a mistake: ${name}`, () =>
      assert.throws(
        () => createBypass(`orders, ${list}`),
        ({ code, message }: Error & { code?: string }) => code === 'MESH_CONFIG_INVALID' && message.includes(`"${list}"`),
      ));
});
