/** What a program under a mesh has secured by itself, and what its own clients and files throw, stays as it was without one. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { Agent as HttpAgent, get as httpGet, type ClientRequest, type IncomingMessage } from 'node:http';
import { Agent, get } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Dispatcher, getGlobalDispatcher, request, setGlobalDispatcher } from 'undici';
import { createMesh, type Mesh } from 'meshfetch';
import { install } from '../../src/integrations/register/install.ts';
import { serverKeyPair, testAuthority, workloadCertificate } from '../support/certificates.ts';
import { TestControlPlane } from '../support/cluster-plane.ts';
import { eventually, meshOf } from '../support/mesh-of.ts';
import { runRegistered } from '../support/register/run-registered.ts';
import { startHttps, temporaryFolder } from '../support/secured.ts';
import { answer, startServer } from '../support/servers.ts';

function installFor(t: TestContext, mesh: Mesh): void {
  const installed = install(mesh);
  t.after(() => {
    installed.uninstall();
    return mesh.close();
  });
}

async function read(sent: ClientRequest): Promise<string> {
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return text(response);
}

/** An Agent that connects to one address, whatever is asked for. */
function agentTo(address: string, options: object): Agent {
  class ToAddress extends Agent {
    override createConnection(...given: unknown[]): never {
      const [host, port] = address.split(':');
      const [wanted, ...more] = given as [object];
      return super.createConnection({ ...wanted, host, port: Number(port) }, ...more) as never;
    }
  }
  return new ToAddress(options);
}

describe('a request that the program secures by itself', async () => {
  const authority = await testAuthority();
  const trustBundle = join(await temporaryFolder(), 'roots.pem');
  await writeFile(trustBundle, authority.certificate);
  const meshSide = await startHttps(await workloadCertificate(authority, 'orders'), answer('through the mesh'));
  const own = await startHttps(
    await workloadCertificate(authority, 'orders'),
    (incoming, response) => {
      const peer = (incoming.socket as unknown as { getPeerCertificate(): { subjectaltname?: string } }).getPeerCertificate();
      response.end(peer.subjectaltname);
    },
    authority,
  );
  const start = async (t: TestContext): Promise<void> => {
    const orders = { endpoints: [meshSide.address], tls: { mode: 'simple', peers: ['spiffe://example.org/orders'] } } as const;
    const mesh = await createMesh({ controlPlane: { services: { orders }, identity: { trustBundle } } });
    installFor(t, mesh);
  };
  const web = serverKeyPair(await workloadCertificate(authority, 'web'));
  const trust = { ca: authority.certificate, checkServerIdentity: () => undefined };

  it('goes with the certificate of the Agent', async (t) => {
    await start(t);
    const agent = agentTo(own.address, { ...trust, ...web });
    assert.match(await read(get('https://orders/', { agent })), /example\.org\/web/);
  });

  it('goes with the certificate that it brings itself', async (t) => {
    await start(t);
    assert.match(await read(get('https://orders/', { agent: agentTo(own.address, {}), ...trust, ...web })), /example\.org\/web/);
  });

  it('is told of by one warning, with the host and the option', async (t) => {
    await start(t);
    const warnings: string[] = [];
    const note = ({ code, message }: Error & { code?: string }): void => {
      if (code === 'MESHFETCH_OWN_TLS') warnings.push(message);
    };
    process.on('warning', note);
    t.after(() => process.off('warning', note));
    for (const url of ['https://orders:444/', 'https://orders:444/', 'https://elsewhere.invalid/'])
      await read(get(url, { agent: agentTo(own.address, { ...trust, ...web }) }));
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /https:\/\/orders:444 with "ca"/);
  });

  it('is refused by the check of the Agent', async (t) => {
    await start(t);
    const checkServerIdentity = (): Error => new Error('not the one that was pinned');
    const agent = agentTo(meshSide.address, { ca: authority.certificate, checkServerIdentity });
    await assert.rejects(read(get('https://orders/', { agent })), /not the one that was pinned/);
  });

  it('is no request that only asks for less', async (t) => {
    await start(t);
    const agent = new Agent({ rejectUnauthorized: false });
    assert.equal(await read(get('https://orders/', { agent })), 'through the mesh');
  });
});

describe('a proxy that the mesh serves', () => {
  it('gets requests as they were written for it', async (t) => {
    const proxy = await startServer((incoming, response) => {
      response.end(`${incoming.url} ${incoming.headers['proxy-authorization']}`);
    });
    installFor(t, await meshOf({ proxy: { endpoints: [proxy.address] } }));
    const headers = { host: 'elsewhere.example', 'proxy-authorization': 'Basic abc' };
    const sent = httpGet({ host: 'proxy', path: 'http://elsewhere.example/a?b', headers });
    assert.equal(await read(sent), 'http://elsewhere.example/a?b Basic abc');
  });
});

describe('what is thrown while the control plane has yet to say', () => {
  const start = async (t: TestContext): Promise<() => Promise<void>> => {
    const plane = new TestControlPlane('test', () => {});
    installFor(t, await createMesh({ controlPlane: plane, drainTimeoutMs: 0 }));
    return async () => {
      await eventually('it is asked for', () => plane.demands.length > 0);
      await plane.absent({ kind: 'authority', host: 'orders', port: 80 });
    };
  };

  it('by the Agent of the program fails the request, and not the process', async (t) => {
    const say = await start(t);
    class Throwing extends HttpAgent {
      override createConnection(): never {
        throw new Error('no connection can be made');
      }
    }
    const response = assert.rejects(read(httpGet('http://orders/', { agent: new Throwing() })), /no connection can be made/);
    await say();
    await response;
  });

  it('by the global dispatcher fails the request, and not the process', async (t) => {
    class Throwing extends Dispatcher {
      override dispatch(): never {
        throw new Error('no request can be made');
      }
    }
    const before = getGlobalDispatcher();
    setGlobalDispatcher(new Throwing());
    t.after(() => setGlobalDispatcher(before));
    const say = await start(t);
    const response = assert.rejects(request('http://orders/'), /no request can be made/);
    await say();
    await response;
  });
});

describe('a program with files that are called as those of undici', { concurrency: 2 }, () => {
  const register = fileURLToPath(new URL('../../src/integrations/register/index.ts', import.meta.url));
  const rows: readonly { readonly name: string; readonly type: string; readonly file: string; readonly program: string }[] = [
    {
      name: 'es-module',
      type: 'module',
      file: 'export default 7;',
      program: "import it from './undici/index.js'; console.log(it);",
    },
    {
      name: 'no-object',
      type: 'commonjs',
      file: 'module.exports = null;',
      program: "console.log(require('./undici/index.js') ?? 7);",
    },
    {
      name: 'getter',
      type: 'commonjs',
      file: "Object.defineProperty(exports, 'setGlobalDispatcher', { get: () => () => 7 });",
      program: "console.log(require('./undici/index.js').setGlobalDispatcher());",
    },
    {
      name: 'frozen',
      type: 'commonjs',
      file: 'module.exports = Object.freeze({ setGlobalDispatcher: () => 7 });',
      program: "console.log(require('./undici/index.js').setGlobalDispatcher());",
    },
  ];
  for (const { name, type, file, program } of rows)
    it(`runs as it did: ${name}`, async () => {
      const folder = await temporaryFolder();
      await mkdir(join(folder, 'undici'));
      await writeFile(join(folder, 'package.json'), JSON.stringify({ type }));
      await writeFile(join(folder, 'undici/index.js'), file);
      await writeFile(join(folder, 'program.js'), program);
      const config = join(folder, 'mesh.json');
      await writeFile(config, JSON.stringify({ services: {} }));
      const { code, output, errors } = await runRegistered([join(folder, 'program.js')], { config, imports: [register] });
      assert.equal(code, 0, errors);
      assert.equal(output.trim(), '7');
    });
});
