/**
 * A server in a process of its own whose responses say how busy it is: `reporting-server.ts <work in ms>`. It writes its port, answers
 * with its pid, and ends with its standard input.
 */
import { createMesh } from 'meshfetch';
import { TestControlPlane } from './cluster-plane.ts';
import { wayIn } from './inbound.ts';

const workMs = Number(process.argv[2]);
const plane = new TestControlPlane();
const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 0 });
await plane.deliver([wayIn({ loadReport: true })]);
const server = await mesh.listen(
  (_request, response) => {
    const endMs = performance.now() + workMs;
    while (performance.now() < endMs);
    response.end(String(process.pid));
  },
  { port: 0, host: '127.0.0.1' },
);
process.stdout.write(`${server.port}\n`);
process.stdin.resume().once('end', () => process.exit(0));
