import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

/** How a program is run. */
export interface RegisteredRun {
  /** Contents of `MESHFETCH_CONFIG`; undefined = it is not set. */
  readonly config?: string | undefined;
  readonly env?: Readonly<Record<string, string>>;
  /** What `--import` names, in order. Default `meshfetch/register` alone. */
  readonly imports?: readonly string[];
  readonly cwd?: string;
}

/** What a program printed, and how it ended. */
export interface RegisteredEnd {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

/** Runs a program of this folder, or a path, under `node --import meshfetch/register`, to its end. */
export async function runRegistered(program: readonly string[], run: RegisteredRun = {}): Promise<RegisteredEnd> {
  const [file = '', ...words] = program;
  const imports = (run.imports ?? ['meshfetch/register']).flatMap((name) => ['--import', name]);
  const { MESHFETCH_CONFIG: _config, NODE_OPTIONS: _options, ...surroundings } = process.env;
  const child = spawn(
    process.execPath,
    ['--conditions=meshfetch-source', ...imports, new URL(file, import.meta.url).pathname, ...words],
    {
      cwd: run.cwd ?? import.meta.dirname,
      env: { ...surroundings, ...(run.config !== undefined && { MESHFETCH_CONFIG: run.config }), ...run.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const [output, errors, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.on('exit', resolve)),
  ]);
  return { code, output, errors };
}

/** What `clients.mjs` printed: what each client got. Throws with its errors where it ended otherwise than well. */
export function answersOf({ code, output, errors }: RegisteredEnd): Readonly<Record<string, string>> {
  if (code !== 0) throw new Error(`it ended with ${code}: ${errors}`);
  const lines = output.split('\n').filter((line) => line.startsWith('['));
  return Object.fromEntries(lines.map((line) => JSON.parse(line) as [string, string]));
}
