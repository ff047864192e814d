/** Other clients of xDS, each a process of its own, and a mesh that makes the same calls. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { createMesh, type MeshError } from '../../../src/index.ts';
import { xdsControlPlane } from '../../../src/control-plane/xds/index.ts';

/** Calls of one method of a service, one after the other. */
export interface FellowOrder {
  /** Name of the listener. */
  readonly target: string;
  readonly path: string;
  readonly calls: number;
  readonly timeoutMs: number;
}

/** A client of gRPC. */
export interface Fellow extends AsyncDisposable {
  readonly name: string;
  /** What the endpoints answered, or `CODE: what is wrong`. */
  ask(order: Partial<FellowOrder> & Pick<FellowOrder, 'target'>): Promise<readonly string[]>;
}

const wholeOrder = (order: Partial<FellowOrder> & Pick<FellowOrder, 'target'>): FellowOrder => ({
  path: '/echo.Echo/Say',
  calls: 1,
  timeoutMs: 5000,
  ...order,
});

/** Starts a program of this folder as a client of the server. */
function startProcess(name: string, command: readonly string[], address: string, environment: NodeJS.ProcessEnv = {}): Fellow {
  const bootstrap = {
    xds_servers: [{ server_uri: address, channel_creds: [{ type: 'insecure' }], server_features: ['xds_v3'] }],
    // grpc-js-xds cannot do without a locality.
    node: { id: name, locality: { region: 'eu', zone: 'eu-1', sub_zone: '' } },
  };
  const child = spawn(command[0]!, command.slice(1), {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, GRPC_XDS_BOOTSTRAP_CONFIG: JSON.stringify(bootstrap), ...environment },
  });
  const dieWithUs = (): void => void child.kill('SIGKILL');
  process.once('exit', dieWithUs);
  const ended = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    name,
    async ask(order) {
      child.stdin.write(`${JSON.stringify(wholeOrder(order))}\n`);
      const { value, done } = await lines.next();
      if (done === true) throw new Error(`${name} ended`);
      return JSON.parse(value) as string[];
    },
    async [Symbol.asyncDispose]() {
      process.off('exit', dieWithUs);
      dieWithUs();
      await ended;
    },
  };
}

/** gRPC for Node, with grpc-js-xds. */
export function startGrpcJs(address: string): Fellow {
  const program = new URL('fellow-grpc-js.ts', import.meta.url).pathname;
  return startProcess('grpc-js-xds', [process.execPath, program], address);
}

/** gRPC for Python, out of the folder. */
export function startGrpcio(address: string, folder: string): Fellow {
  const program = new URL('fellow-grpcio.py', import.meta.url).pathname;
  return startProcess('grpcio', ['python3', program], address, { PYTHONPATH: folder, GRPC_VERBOSITY: 'NONE' });
}

/** A mesh that speaks gRPC in frames of its own. */
export async function startMesh(address: string): Promise<Fellow> {
  const mesh = await createMesh({
    controlPlane: xdsControlPlane({ servers: address, node: { id: 'meshfetch' } }),
    unknownHosts: 'refuse',
    drainTimeoutMs: 100,
  });
  const call = async ({ target, path, timeoutMs }: FellowOrder): Promise<string> => {
    try {
      const { body, headers, trailers } = await mesh.dispatcher.request({
        origin: `http://${target}`,
        path,
        method: 'POST',
        headers: { 'content-type': 'application/grpc', te: 'trailers' },
        // A frame of a message of no bytes.
        body: Buffer.alloc(5),
        signal: AbortSignal.timeout(timeoutMs),
      });
      const frame = Buffer.from(await body.arrayBuffer());
      const status = trailers['grpc-status'] ?? headers['grpc-status'];
      return status === '0' ? frame.subarray(5).toString() : `status ${String(status)}`;
    } catch (error) {
      return `${(error as MeshError).grpcStatus ?? 'no status'}: ${(error as Error).message}`;
    }
  };
  return {
    name: 'meshfetch',
    async ask(order) {
      const whole = wholeOrder(order);
      const answers: string[] = [];
      for (let index = 0; index < whole.calls; index++) answers.push(await call(whole));
      return answers;
    },
    [Symbol.asyncDispose]: () => mesh.close(),
  };
}
