import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** A program of `cmd/` that is running. */
export interface GoServer<A> {
  /** The first line of its output. */
  readonly addresses: A;
  readonly log: readonly string[];
  /** Calls its control port; throws when the answer is not 200. */
  readonly call: (method: 'GET' | 'PUT' | 'POST' | 'DELETE', path: string, body?: unknown) => Promise<unknown>;
  /** SIGKILL, and waits for its end. */
  kill(): Promise<void>;
}

/** Starts the program that the variable names, and waits until it has said its addresses. */
export async function startGoServer<A extends { readonly control: string }>(
  variable: string,
  suite: string,
  args: readonly string[],
): Promise<GoServer<A>> {
  const binary = process.env[variable];
  if (binary === undefined) throw new Error(`${variable} is not set; run this by \`npm run live -- ${suite}\``);
  const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const dieWithUs = (): void => void child.kill('SIGKILL');
  process.once('exit', dieWithUs);
  const log: string[] = [];
  const first = Promise.withResolvers<string>();
  createInterface({ input: child.stderr }).on('line', (line) => log.push(line));
  createInterface({ input: child.stdout }).once('line', first.resolve);
  child.once('error', first.reject);
  child.once('exit', (code) => first.reject(new Error(`${binary} ended with status ${code}:\n${log.slice(-20).join('\n')}`)));
  const addresses = JSON.parse(await first.promise) as A;

  return {
    addresses,
    log,
    async call(method, path, body) {
      const response = await fetch(`http://${addresses.control}${path}`, {
        method,
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      if (response.status !== 200) throw new Error(`${method} ${path}: ${response.status} ${text}`);
      return text === '' ? undefined : (JSON.parse(text) as unknown);
    },
    async kill() {
      process.off('exit', dieWithUs);
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}
