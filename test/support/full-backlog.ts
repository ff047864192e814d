import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after } from 'node:test';

const program = `require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, function () {
  console.log(this.address().port);
});`;

/**
 * An address where connections are neither accepted nor refused: a process that is stopped, with its queue of connections full.
 * Ends after the tests of its file.
 */
export async function startFullBacklog(): Promise<string> {
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(line.toString());
  child.kill('SIGSTOP');
  const fillers: Socket[] = [];
  after(async () => {
    for (const socket of fillers) socket.destroy();
    child.kill('SIGKILL');
    await exited;
  });
  // Until one is not taken into the queue any more.
  for (let isTaken = true; isTaken;) {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => {});
    fillers.push(socket);
    isTaken = await Promise.race([
      once(socket, 'connect').then(() => true),
      new Promise<boolean>((resolve) => setTimeout(resolve, 200, false)),
    ]);
  }
  return `127.0.0.1:${port}`;
}
