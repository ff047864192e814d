import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { consulSettings } from '../../../../src/control-plane/consul/options.ts';
import { ConsulToken, tokenFromFile } from '../../../../src/control-plane/consul/token.ts';

describe('ConsulToken', () => {
  it('prints as redacted in every way of printing', () => {
    const token = new ConsulToken('hunter2');
    const settings = consulSettings({ token }, {});
    const printed = [
      String(token),
      JSON.stringify({ token }),
      inspect(token),
      inspect({ token }, { depth: 9, showHidden: true }),
      inspect(settings),
    ].join();
    assert.ok(!printed.includes('hunter2'));
    assert.match(printed, /\[redacted\]/);
    assert.equal(token.reveal(), 'hunter2');
  });
});

describe('the token of a Consul source', () => {
  it('is the one of the environment where no option is given', async () => {
    const settings = consulSettings({}, { CONSUL_HTTP_TOKEN: 'from-environment' });
    assert.equal((await settings.token())?.reveal(), 'from-environment');
    assert.equal((await consulSettings({ token: 'from-option' }, { CONSUL_HTTP_TOKEN: 'x' }).token())?.reveal(), 'from-option');
    assert.equal(await consulSettings({}, { CONSUL_HTTP_TOKEN: '' }).token(), undefined);
  });

  it('follows its file, and says which file is gone', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'meshfetch-token-'));
    const path = join(folder, 'token');
    await writeFile(path, 'first\n');
    const token = tokenFromFile(path);
    assert.equal((await token())?.reveal(), 'first');
    await writeFile(join(folder, 'next'), 'second');
    await rename(join(folder, 'next'), path);
    assert.equal((await token())?.reveal(), 'second');
    await rm(folder, { recursive: true });
    await assert.rejects(token(), { name: 'MeshError', code: 'MESH_CONFIG_UNREADABLE', message: new RegExp(path) });
    assert.throws(() => tokenFromFile(path), { name: 'MeshError', code: 'MESH_CONFIG_UNREADABLE' });
  });

  it('is refused, unprinted, when the file holds more than a token', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'meshfetch-token-'));
    const path = join(folder, 'token');
    await writeFile(path, 'SecretID: hunter2\nAccessorID: 1\n');
    assert.throws(
      () => tokenFromFile(path),
      (error: unknown) => error instanceof Error && /SecretID alone/.test(error.message) && !error.message.includes('hunter2'),
    );
    await rm(folder, { recursive: true });
  });
});
