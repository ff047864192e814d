#!/usr/bin/env node
/** `npx meshfetch <command>`: each command is a file beside this one, loaded when it is called. */
import { readFile } from 'node:fs/promises';
import { MeshError } from '../base/errors.ts';
import type { CommandIo } from './command.ts';

interface Command {
  readonly doc: string;
  readonly load: () => Promise<(args: readonly string[], io: CommandIo) => Promise<number>>;
}

const commands: Readonly<Record<string, Command>> = {
  demo: {
    doc: 'starts a mesh of real processes, breaks it, and shows what happens (about 15 s)',
    load: async () => (await import('./demo/demo.ts')).demo,
  },
  validate: {
    doc: 'checks mesh.yaml files and resources of Envoy and Istio: every mistake with its place, and what has no effect',
    load: async () => (await import('./validate.ts')).validate,
  },
  explain: {
    doc: 'says which route, endpoints and policy a request would meet, and why',
    load: async () => (await import('./explain.ts')).explainCommand,
  },
  certs: { doc: 'makes a development CA and workload certificates', load: async () => (await import('./certs.ts')).certs },
};

function usage(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length));
  const rows = Object.entries(commands).map(([name, { doc }]) => `  ${name.padEnd(width)}  ${doc}`);
  return `Usage: meshfetch <command> [options]\n\nCommands:\n${rows.join('\n')}\n\nmeshfetch <command> --help tells the options of each, meshfetch --version which version this is.\n`;
}

async function main(args: readonly string[], io: CommandIo): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    (name === undefined ? io.stderr : io.stdout).write(usage());
    return name === undefined ? 2 : 0;
  }
  if (name === '--version' || name === '-v') {
    // As far from here in the package as in the sources.
    const manifest = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
    io.stdout.write(`${(JSON.parse(manifest) as { version: string }).version}\n`);
    return 0;
  }
  if (!Object.hasOwn(commands, name)) {
    io.stderr.write(`meshfetch: there is no command "${name}"\n\n${usage()}`);
    return 2;
  }
  try {
    return await (
      await commands[name]!.load()
    )(rest, io);
  } catch (error) {
    if (error instanceof MeshError) io.stderr.write(`meshfetch ${name}: ${error.message}\n`);
    else if (error instanceof TypeError && (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS'))
      io.stderr.write(`meshfetch ${name}: ${error.message}; see meshfetch ${name} --help\n`);
    else throw error;
    return 2;
  }
}

const nodeVersion = Number.parseInt(process.versions.node, 10);
if (nodeVersion < 24) {
  // What is loaded later would end with the name of something that this Node does not have.
  process.stderr.write(`meshfetch needs Node 24 or newer, and this is ${process.versions.node}; see https://nodejs.org\n`);
  process.exitCode = 1;
} else process.exitCode = await main(process.argv.slice(2), process);
