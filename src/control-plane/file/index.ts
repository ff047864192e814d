/** The file control plane: configuration from an object, or from a YAML file that is read again whenever it changes. */
import { basename, dirname, resolve } from 'node:path';
import { isMeshError, type MeshError } from '../../base/errors.ts';
import { sleep, type Clock } from '../../base/runtime.ts';
import type { ConfigSink, ControlPlane, ControlPlaneContext, ControlPlaneStatus, Problem } from '../../model/contracts.ts';
import type { HostDefaults } from '../safe-defaults.ts';
import { readConfigFile, versionOf, type ConfigText } from './client.ts';
import { ConfiguredIdentity, identityPaths } from './configured-identity.ts';
import { FileChanges } from './file-changes.ts';
import type { ReportedProblem } from './file-problem.ts';
import { HeldInbound } from './held-inbound.ts';
import { checkMeshObject, parseMeshFile } from './parse-mesh-file.ts';
import type { MeshFile, MeshFileInput } from './schema.ts';
import { hostDefaultsFromFile, resourceKeyOf, translateMeshFile } from './translate.ts';

export { checkIdentityFiles } from './check-identity.ts';
export { parseMeshFile, translateMeshFile };
export type { MeshFile, MeshFileInput };

/** What a file says that is no resource. */
export interface FileSettings {
  /** What happens to a host that no control plane knows; undefined when the file does not say. */
  readonly unknownHosts: 'dns' | 'refuse' | undefined;
  /** The policy of such a host under `'dns'`: the `defaults` of the file, `tls` excepted. */
  readonly hostDefaults: HostDefaults;
}

/** Where the configuration is: a path, which is watched, or an object, which is read once. */
export type FileControlPlaneOptions = (
  | { /** Path of a YAML or JSON file. */ readonly path: string }
  | {
      readonly config: MeshFileInput;
      /** Where relative paths of `identity` start. Default: the working directory of the process. */
      readonly baseDirectory?: string;
    }
) & {
  /** Default `file`, or `object`. */
  readonly name?: string;
  /** Name of what `identity` gives; two sources cannot give the same one. Default `default`. */
  readonly identityName?: string;
  /** Called with the first good configuration and with each later one, before its resources are applied. */
  readonly onSettings?: (settings: FileSettings) => void;
};

/**
 * Configuration from an object or a file. `run` rejects with `MESH_CONFIG_INVALID` or `MESH_CONFIG_UNREADABLE` when the first one is
 * no good; on a reload the last good one stays in force and `status()` shows what is wrong.
 */
export function fileControlPlane(options: FileControlPlaneOptions): ControlPlane {
  const identity = new ConfiguredIdentity(
    options.name ?? ('path' in options ? 'file' : 'object'),
    options.identityName ?? 'default',
  );
  // What a file says is not known before it is read.
  let guardsInbound = 'path' in options || options.config.inbound !== undefined;
  const inbound = new HeldInbound();
  const noted: FileControlPlaneOptions & Noted = {
    ...options,
    inbound,
    onFile: () => {
      guardsInbound = inbound.hasAny;
    },
  };
  return {
    name: identity.name,
    identity,
    get guardsInbound() {
      return guardsInbound;
    },
    run: (context) => ('path' in noted ? runFile(noted, identity, context) : runObject(noted, identity, context)),
  };
}

/** Told each good configuration before its resources are applied. */
interface Noted {
  readonly inbound: HeldInbound;
  readonly onFile: () => void;
}

type Options<K extends 'path' | 'config'> = Extract<FileControlPlaneOptions, Readonly<Record<K, unknown>>> & Noted;

async function runObject(options: Options<'config'>, identity: ConfiguredIdentity, context: ControlPlaneContext): Promise<void> {
  const file = await checkMeshObject(options.config, 'the configuration');
  const version = versionOf(JSON.stringify(file));
  await applyFile({ file, version, directory: resolve(options.baseDirectory ?? '.') }, options, identity, context);
  await untilAborted(context.signal);
}

/** A good configuration and where it comes from. */
interface Loaded {
  readonly file: MeshFile;
  readonly version: string;
  /** Where relative paths start. */
  readonly directory: string;
}

async function runFile(options: Options<'path'>, identity: ConfiguredIdentity, context: ControlPlaneContext): Promise<void> {
  const { clock, signal, sink } = context;
  const path = resolve(options.path);
  const changes = new FileChanges(path, clock);
  try {
    const first = await parsed(path, await read(path));
    if ('error' in first) throw first.error;
    await applyFile(first, options, identity, context);
    let applied = first.version;
    let reported = first.version;
    for (;;) {
      await changes.next(signal);
      const next = await loadSettled(path, clock, signal);
      // The same bytes again, good or bad: nothing to say.
      if (next.version === reported) continue;
      reported = next.version;
      if ('error' in next) sink.status(failedStatus(next));
      else if (next.version === applied) sink.status({ state: 'connected' });
      else {
        await applyFile(next, options, identity, context);
        applied = next.version;
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    changes.close();
  }
}

async function applyFile(
  loaded: Loaded,
  options: FileControlPlaneOptions & Noted,
  identity: ConfiguredIdentity,
  context: ControlPlaneContext,
): Promise<void> {
  const { file, version, directory } = loaded;
  const { resources, unhonoured } = translateMeshFile(file, options.identityName);
  const paths = file.identity && identityPaths(file.identity, directory);
  // A new identity comes before the clusters that ask for it, and one that is given up goes after them.
  if (paths !== undefined) await identity.use(paths, context.clock);
  const { held, warnings } = options.inbound.hold(resources);
  options.onFile();
  options.onSettings?.({
    unknownHosts: file.unknownHosts,
    hostDefaults: hostDefaultsFromFile(file),
  });
  const replaces = ['listener', 'route-table', 'cluster', 'endpoints'] as const;
  const { rejected } = await context.sink.apply({
    version,
    set: [...resources, ...held],
    remove: [],
    replaces,
    unhonoured: [...unhonoured, ...warnings],
  });
  if (paths === undefined) await identity.use(undefined, context.clock);
  reportConnected(context.sink, rejected);
}

function reportConnected(sink: ConfigSink, rejected: readonly Problem[]): void {
  if (rejected.length === 0) sink.status({ state: 'connected' });
  else {
    const list = rejected.map(({ path, reason }) => `${path}: ${reason}`).join('; ');
    sink.status({
      state: 'connected',
      error: `parts of the configuration were refused, their last good version stays: ${list}`,
      problems: rejected,
    });
  }
}

/** What a look at the file gave; the version of a file that cannot be read is its error. */
type ReadResult = ConfigText | Failure;
type LoadResult = Loaded | Failure;
interface Failure {
  readonly error: MeshError;
  readonly version: string;
  /** Whether there was a text, of which `version` is the hash. */
  readonly wasRead: boolean;
}

async function read(path: string): Promise<ReadResult> {
  try {
    return await readConfigFile(path);
  } catch (error) {
    if (!isMeshError(error)) throw error;
    return { error, version: error.message, wasRead: false };
  }
}

async function parsed(path: string, content: ReadResult): Promise<LoadResult> {
  if ('error' in content) return content;
  const { text, version } = content;
  try {
    return { file: await parseMeshFile(text, basename(path)), version, directory: dirname(path) };
  } catch (error) {
    if (!isMeshError(error)) throw error;
    return { error, version, wasRead: true };
  }
}

/**
 * A writer in place may write in several pieces, and the first of them may be a good file that lacks half of the services. What is
 * read counts when it is the same this long later; a file that is written all the time counts as it is in the end.
 */
const settleMs = 200;
const maxSettleRounds = 5;

async function loadSettled(path: string, clock: Clock, signal: AbortSignal): Promise<LoadResult> {
  let content = await read(path);
  for (let round = 0; round < maxSettleRounds; round++) {
    await sleep(clock, settleMs, signal);
    const again = await read(path);
    const isSettled = again.version === content.version;
    content = again;
    if (isSettled) break;
  }
  return await parsed(path, content);
}

function failedStatus({ error, version, wasRead }: Failure): ControlPlaneStatus {
  const reported = error.details['problems'] as readonly ReportedProblem[] | undefined;
  const problems = reported?.map(({ path, service, reason }): Problem => ({ key: resourceKeyOf(service), path, reason }));
  return {
    state: 'failed',
    error: `${error.message}\nThe last good configuration stays in force.`,
    ...(problems !== undefined && { problems }),
    // The lines after the first are the problems.
    refused: { ...(wasRead && { version }), reason: error.message.split('\n', 1)[0]!.replace(/:$/, '') },
  };
}

function untilAborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  else signal.addEventListener('abort', () => resolve(), { once: true });
  return promise;
}
