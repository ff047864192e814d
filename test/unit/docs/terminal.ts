/**
 * A shell as a reader has it open beside the page: lines go in, what appears is kept. `meshfetch` is a project's dependency there and
 * runs from the sources, so that a page is run before anything was built.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after } from 'node:test';
import { root } from './markdown.ts';

const installed = [
  '@bufbuild',
  '@connectrpc',
  '@grpc',
  '@nestjs',
  '@opentelemetry',
  '@types',
  'express',
  'fastify',
  'reflect-metadata',
  'rxjs',
  'undici',
];

/**
 * `tsc` where meshfetch is its sources: they are taken for a package that lies in node_modules, so that nothing is written for them, and
 * what the options of the project would say of them is left out.
 */
const tsc = `#!/bin/sh
node ${join(root, 'node_modules/typescript/bin/tsc')} "$@" --customConditions meshfetch-source --preserveSymlinks \\
  --allowImportingTsExtensions --rewriteRelativeImportExtensions | grep -vE '^(node_modules/|  )' && exit 1
exit 0
`;

/** An empty project in a folder of its own that has meshfetch, its peers and frameworks installed; gone after the tests of the file. */
export function createProject(): string {
  const directory = mkdtempSync(join(tmpdir(), 'meshfetch-docs-'));
  const bin = join(directory, 'node_modules', '.bin');
  mkdirSync(bin, { recursive: true });
  symlinkSync(root, join(directory, 'node_modules', 'meshfetch'));
  for (const name of installed) symlinkSync(join(root, 'node_modules', name), join(directory, 'node_modules', name));
  const commands = { meshfetch: `#!/bin/sh\nexec node ${join(root, 'src/cli/main.ts')} "$@"\n`, tsc };
  for (const [name, text] of Object.entries(commands)) writeFileSync(join(bin, name), text, { mode: 0o755 });
  after(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  return directory;
}

export class Terminal {
  private readonly shell: ChildProcess;
  private text = '';
  private seen: (() => void)[] = [];

  /** Opens a shell in a folder. It and all that it started end with the tests of the file. */
  constructor(directory: string) {
    const environment: NodeJS.ProcessEnv = {
      ...process.env,
      PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`,
      NODE_OPTIONS: '--conditions=meshfetch-source',
    };
    // The runner of the tests talks to its children through these.
    for (const name of ['NODE_TEST_CONTEXT', 'NODE_DEBUG', 'MESHFETCH_CONFIG']) delete environment[name];
    this.shell = spawn('bash', [], { cwd: directory, detached: true, env: environment, stdio: 'pipe' });
    for (const stream of [this.shell.stdout, this.shell.stderr])
      stream?.on('data', (chunk: Buffer) => {
        this.text += chunk.toString();
        for (const wake of this.seen.splice(0)) wake();
      });
    after(() => this.close());
  }

  /** Types lines. What appeared before is forgotten. */
  type(lines: string): void {
    this.text = '';
    this.shell.stdin!.write(lines.endsWith('\n') ? lines : `${lines}\n`);
  }

  /** Ctrl-C: interrupts what runs in the foreground. */
  interrupt(): void {
    this.text = '';
    process.kill(-this.shell.pid!, 'SIGINT');
  }

  /** Drops the first characters of the output. */
  forget(length: number): void {
    this.text = this.text.slice(length);
  }

  get output(): string {
    return this.text;
  }

  /** Waits until `find` finds something in the output; rejects with the output when that takes longer than `limitMs`. */
  async waitFor<T>(what: string, find: (output: string) => T | undefined, limitMs = 60_000): Promise<T> {
    const limit = AbortSignal.timeout(limitMs);
    for (;;) {
      const found = find(this.text);
      if (found !== undefined) return found;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const late = (): void => reject(new Error(`waited ${limitMs} ms for ${what}; the terminal shows:\n${this.text}`));
      if (limit.aborted) late();
      limit.addEventListener('abort', late, { once: true });
      this.seen.push(resolve);
      await promise.finally(() => limit.removeEventListener('abort', late));
    }
  }

  private close(): void {
    try {
      process.kill(-this.shell.pid!, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}
