import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after } from 'node:test';

/** A service in a process of its own, which can really be killed. */
export interface Backend {
  readonly address: string;
  readonly pid: number;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGSTOP: it keeps its sockets and answers nothing. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
}

/** Starts one; `port` 0 = any; it takes `delayMs` to answer. Ends after the tests of its file. */
export async function startBackend(port = 0, delayMs = 0): Promise<Backend> {
  const program = new URL('backend-process.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [program, String(port), String(delayMs)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  after(kill);
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return {
    address: `127.0.0.1:${Number(line.toString())}`,
    pid: child.pid!,
    kill,
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
  };
}
