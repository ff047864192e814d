import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createVirtualClock } from '../../../../src/testing/virtual-clock.ts';
import { hostNameFrom } from '../../../../src/wire/dns/host-name.ts';
import { parseHostsFile } from '../../../../src/wire/dns/hosts-file.ts';
import { createParsedFile } from '../../../../src/wire/dns/parsed-file.ts';
import { candidateNames, parseResolvConf } from '../../../../src/wire/dns/resolv-conf.ts';

describe('resolv.conf', () => {
  it('of a Kubernetes pod is read whole', () => {
    const conf = parseResolvConf(
      'search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5 timeout:2 attempts:3\n',
    );
    assert.deepEqual(conf, {
      servers: ['10.96.0.10'],
      searchDomains: ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local'],
      ndots: 5,
      tryTimeoutMs: 2000,
      attempts: 3,
    });
  });

  for (const row of [
    { name: 'empty', text: '', expected: { servers: [], searchDomains: [], ndots: 1 } },
    {
      name: 'comments',
      text: '# a\n; b\nnameserver 192.0.2.1 # c',
      expected: { servers: ['192.0.2.1'], searchDomains: [], ndots: 1 },
    },
    { name: 'last-search-wins', text: 'search a b\ndomain c', expected: { servers: [], searchDomains: ['c'], ndots: 1 } },
    { name: 'domains-lose-their-dot', text: 'search a.b.', expected: { servers: [], searchDomains: ['a.b'], ndots: 1 } },
    { name: 'root-domain-is-nothing', text: 'search .', expected: { servers: [], searchDomains: [], ndots: 1 } },
    { name: 'ndots-is-capped-as-in-glibc', text: 'options ndots:99', expected: { servers: [], searchDomains: [], ndots: 15 } },
    {
      name: 'nonsense-is-skipped',
      text: 'nameserver x\noptions ndots:-1\n\u0000',
      expected: { servers: [], searchDomains: [], ndots: 1 },
    },
    {
      name: 'ipv6-with-zone',
      text: 'nameserver fe80::1%eth0',
      expected: { servers: ['fe80::1%eth0'], searchDomains: [], ndots: 1 },
    },
  ]) {
    it(`is read: ${row.name}`, () => {
      assert.deepEqual(parseResolvConf(row.text), { tryTimeoutMs: undefined, attempts: undefined, ...row.expected });
    });
  }

  const pod = { searchDomains: ['shop.svc.cluster.local', 'svc.cluster.local'], ndots: 5 };
  for (const row of [
    {
      name: 'short-name',
      input: 'orders',
      conf: pod,
      names: ['orders.shop.svc.cluster.local', 'orders.svc.cluster.local', 'orders'],
    },
    {
      name: 'below-ndots',
      input: 'a.b.c.d.e',
      conf: pod,
      names: ['a.b.c.d.e.shop.svc.cluster.local', 'a.b.c.d.e.svc.cluster.local', 'a.b.c.d.e'],
    },
    {
      name: 'at-ndots-as-it-stands-first',
      input: 'a.b.c.d.e.f',
      conf: pod,
      names: ['a.b.c.d.e.f', 'a.b.c.d.e.f.shop.svc.cluster.local', 'a.b.c.d.e.f.svc.cluster.local'],
    },
    { name: 'absolute-alone', input: 'orders.', conf: pod, names: ['orders'] },
    { name: 'no-search-list', input: 'orders', conf: { searchDomains: [], ndots: 1 }, names: ['orders'] },
    { name: 'ndots-1', input: 'a.b', conf: { searchDomains: ['x'], ndots: 1 }, names: ['a.b', 'a.b.x'] },
  ]) {
    it(`gives the names to try: ${row.name}`, () => {
      assert.deepEqual(candidateNames(hostNameFrom(row.input)!, row.conf), row.names);
    });
  }
});

describe('the hosts file', () => {
  it('gives the addresses of a name in the order of the file', () => {
    const table = parseHostsFile('127.0.0.1\tlocalhost Cart # here\n::1 localhost\n192.0.2.5 cart\nnonsense x\n192.0.2.5 cart\n');
    assert.deepEqual(table.get('localhost'), ['127.0.0.1', '::1']);
    assert.deepEqual(table.get('cart'), ['127.0.0.1', '192.0.2.5']);
    assert.equal(table.has('x'), false);
    assert.equal(table.has('here'), false);
  });

  it('has no entry under a name that every object inherits', () => {
    assert.equal(parseHostsFile('192.0.2.1 a').get('__proto__'), undefined);
  });
});

describe('a parsed file', () => {
  it('is read again after it was replaced, and at most once a second', async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'meshfetch-file-'));
    t.after(() => rm(directory, { recursive: true }));
    const path = join(directory, 'file');
    const clock = createVirtualClock();
    let reads = 0;
    const file = createParsedFile(path, (text) => ((reads += 1), text), clock);
    assert.equal(await file.current(), '');
    await writeFile(path, 'one');
    assert.equal(await file.current(), '');
    await clock.advance(1000);
    assert.equal(await file.current(), 'one');
    await writeFile(join(directory, 'new'), 'two');
    await rename(join(directory, 'new'), path);
    await clock.advance(1000);
    assert.deepEqual(await Promise.all([file.current(), file.current()]), ['two', 'two']);
    await clock.advance(1000);
    await file.current();
    assert.equal(reads, 3); // empty, one, two
    await rm(path);
    await clock.advance(1000);
    assert.equal(await file.current(), '');
  });

  it('keeps its last text while it cannot be read', async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'meshfetch-file-'));
    t.after(() => rm(directory, { recursive: true }));
    const parent = join(directory, 'etc');
    await mkdir(parent);
    await writeFile(join(parent, 'file'), 'one');
    const clock = createVirtualClock();
    const file = createParsedFile(join(parent, 'file'), (text) => text, clock);
    assert.equal(await file.current(), 'one');
    // A path through something that is no directory fails with ENOTDIR, also for root.
    await rm(parent, { recursive: true });
    await writeFile(parent, '');
    await clock.advance(1000);
    assert.equal(await file.current(), 'one');
  });
});
