import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clusterNameOf, hostsOf, serviceTargetFromHost } from '../../../../src/control-plane/consul/service-target.ts';

const services = [
  { name: 'single-word', host: 'orders', target: { service: 'orders' }, cluster: 'orders' },
  { name: 'upper-case', host: 'Orders', target: { service: 'orders' }, cluster: 'orders' },
  { name: 'underscore', host: 'orders_v2', target: { service: 'orders_v2' }, cluster: 'orders_v2' },
  { name: 'full-name', host: 'orders.service.consul', target: { service: 'orders' }, cluster: 'orders' },
  { name: 'trailing-dot', host: 'orders.service.consul.', target: { service: 'orders' }, cluster: 'orders' },
  {
    name: 'datacenter',
    host: 'orders.service.dc2.consul',
    target: { service: 'orders', datacenter: 'dc2' },
    cluster: 'orders.service.dc2.consul',
  },
  {
    name: 'datacenter-marked',
    host: 'orders.service.dc2.dc.consul',
    target: { service: 'orders', datacenter: 'dc2' },
    cluster: 'orders.service.dc2.consul',
  },
  {
    name: 'tag',
    host: 'v1.orders.service.consul',
    target: { service: 'orders', tag: 'v1' },
    cluster: 'v1.orders.service.consul',
  },
  {
    name: 'tag-and-datacenter',
    host: 'v1.orders.service.dc2.consul',
    target: { service: 'orders', tag: 'v1', datacenter: 'dc2' },
    cluster: 'v1.orders.service.dc2.consul',
  },
  { name: 'service-called-service', host: 'service.service.consul', target: { service: 'service' }, cluster: 'service' },
];

const others = [
  { name: 'dns-name', host: 'api.example.org' },
  { name: 'ends-like-consul', host: 'orders.service.notconsul' },
  { name: 'ipv4', host: '127.0.0.1' },
  { name: 'ipv6', host: '[::1]' },
  { name: 'localhost', host: 'localhost' },
  { name: 'node-lookup', host: 'web-1.node.consul' },
  { name: 'connect-lookup', host: 'orders.connect.consul' },
  { name: 'prepared-query', host: 'orders.query.consul' },
  { name: 'peer', host: 'orders.service.east.peer.consul' },
  { name: 'two-tags', host: 'a.b.orders.service.consul' },
  { name: 'no-service', host: 'service.consul' },
  { name: 'domain-alone', host: '.service.consul' },
  { name: 'path-characters', host: 'orders/../x' },
  { name: 'query-characters', host: 'orders?dc=x' },
  { name: 'empty', host: '' },
  { name: 'too-long', host: 'a'.repeat(64) },
];

describe('serviceTargetFromHost', () => {
  for (const { name, host, target, cluster } of services) {
    it(`takes a host for a service (${name})`, () => {
      const found = serviceTargetFromHost(host);
      assert.deepEqual(found, target);
      assert.equal(clusterNameOf(target), cluster);
    });
  }
  for (const { name, host } of others) {
    it(`leaves a host to others (${name})`, () => {
      const found = serviceTargetFromHost(host);
      assert.ok('notConsul' in found && found.notConsul.length > 10);
    });
  }

  it('follows another domain of Consul', () => {
    assert.deepEqual(serviceTargetFromHost('orders.service.mesh.internal', 'mesh.internal'), { service: 'orders' });
    assert.ok('notConsul' in serviceTargetFromHost('orders.service.consul', 'mesh.internal'));
  });
});

describe('hostsOf', () => {
  it('names hosts that lead back to the same target', () => {
    for (const { target } of services) {
      for (const host of hostsOf(target)) assert.deepEqual(serviceTargetFromHost(host), target);
      assert.deepEqual(serviceTargetFromHost(clusterNameOf(target)), target);
    }
  });
});
