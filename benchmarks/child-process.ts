/**
 * Processes that measure, driven by messages. Client and server get different CPUs where `taskset` and a second CPU are there, so
 * that neither steals the other's time and caches.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** A process that answers each message with one message. */
export interface Child {
  readonly process: ChildProcess;
  /** Sends `message` and waits for the answer. Rejects when the process ends instead, or answers `{ error }`. */
  ask<Answer>(message: unknown): Promise<Answer>;
  stop(): Promise<void>;
}

export interface ChildOptions {
  /** Path of the program. */
  readonly file: string;
  readonly args: readonly string[];
  readonly nodeFlags?: readonly string[];
  /** Number of the CPU to stay on; undefined = any. */
  readonly cpu?: number | undefined;
  readonly cwd?: string;
}

/** Starts a program of this folder. */
export function startChild({ file, args, nodeFlags = [], cpu, cwd }: ChildOptions): Child {
  const command = [process.execPath, '--disable-warning=ExperimentalWarning', ...nodeFlags, file, ...args];
  if (cpu !== undefined) command.unshift('taskset', '-c', String(cpu));
  const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], ...(cwd && { cwd }) });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    process: child,
    ask: (message) =>
      new Promise((resolve, reject) => {
        const settle = (end: () => void): void => {
          child.off('message', onMessage);
          child.off('exit', onExit);
          end();
        };
        const onExit = (code: number | null, signal: string | null): void =>
          settle(() => reject(new Error(`${file} ${args.join(' ')} ended with ${signal ?? code}`)));
        const onMessage = (answer: unknown): void =>
          settle(() => {
            const { error } = answer as { error?: string };
            if (error === undefined) resolve(answer as never);
            else reject(new Error(`${file} ${args.join(' ')}: ${error}`));
          });
        child.once('exit', onExit);
        child.on('message', onMessage);
        child.send(message as object);
      }),
    async stop() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Starts a program that measures (measured-process.ts), and waits until it can. */
export async function startMeasured(options: ChildOptions): Promise<Child> {
  const child = startChild(options);
  try {
    await child.ask({ kind: 'start' });
  } catch (error) {
    await child.stop();
    throw error;
  }
  return child;
}

/** In a child: answers each message with what `answer` gives. */
export function serveParent(answer: (question: never) => Promise<object> | object): void {
  process.on('message', (question) => {
    void Promise.resolve(question as never)
      .then(answer)
      .catch((error: unknown) => ({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }))
      .then((reply) => process.send!(reply));
  });
  process.once('disconnect', () => process.exit(0));
}

/** CPUs for client and server; undefined where processes cannot be bound to one, or there is only one. */
export interface CpuPair {
  readonly client: number | undefined;
  readonly server: number | undefined;
}

export function chooseCpus(): CpuPair {
  const [server, client] = allowedCpus();
  return client !== undefined && hasTaskset() ? { client, server } : { client: undefined, server: undefined };
}

/** Source: proc(5), `Cpus_allowed_list`: numbers and ranges. */
function allowedCpus(): number[] {
  try {
    const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
    return list.split(',').flatMap((range) => {
      const [first, last = first] = range.split('-').map(Number);
      return Array.from({ length: last! - first! + 1 }, (_, index) => first! + index);
    });
  } catch {
    return [];
  }
}

function hasTaskset(): boolean {
  try {
    execFileSync('taskset', ['-V'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
