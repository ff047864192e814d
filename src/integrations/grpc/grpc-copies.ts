/** Which copies of @grpc/grpc-js are loaded, and whether the mesh knows their version. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Grpc } from './grpc-js.ts';

/** What the mesh is written against and tested with. */
const testedMinor = '1.14';

/** Throws where `grpc` is no copy of a version that was tested. `version` where the caller knows it. */
export function checkCopy(grpc: Grpc, version = versionOf(grpc)): void {
  const { experimental, ChannelCredentials, CallCredentials, Metadata } = grpc ?? {};
  const { registerResolver, registerLoadBalancerType, createResolver, statusOrFromValue } = experimental ?? {};
  const parts = [registerResolver, registerLoadBalancerType, createResolver, statusOrFromValue];
  const isWhole = [...parts, ChannelCredentials, CallCredentials, Metadata].every((part) => typeof part === 'function');
  if (isWhole && (version === undefined || version.startsWith(`${testedMinor}.`))) return;
  const what = version === undefined ? 'What was passed as `grpc`' : `@grpc/grpc-js ${version}`;
  throw new RangeError(
    `${what} is no @grpc/grpc-js ${testedMinor}, the version that meshfetch/grpc is written for; run "npm install @grpc/grpc-js@${testedMinor}"`,
  );
}

/** Version of a loaded copy; undefined where it was bundled, or loaded by somebody else than Node. */
export function versionOf(grpc: Grpc): string | undefined {
  const file = loadedCopies().find(({ copy }) => isSameCopy(copy, grpc))?.file;
  return file === undefined ? undefined : versionIn(file);
}

/** Every copy that Node has loaded, with its main file. */
export function loadedCopies(): readonly { readonly file: string; readonly copy: Grpc }[] {
  const found: { file: string; copy: Grpc }[] = [];
  const { cache } = createRequire(import.meta.url);
  for (const file in cache) {
    if (!/[/\\]@grpc[/\\]grpc-js[/\\]build[/\\]src[/\\]index\.js$/.test(file)) continue;
    const copy = cache[file]?.exports as Grpc | undefined;
    if (typeof copy?.ChannelCredentials === 'function') found.push({ file, copy });
  }
  return found;
}

function versionIn(file: string): string | undefined {
  const { version } = createRequire(file)(join(dirname(file), '../../package.json')) as { version?: string };
  return version;
}

/** Whether both are the same copy, one of them perhaps as the namespace that `import *` gives. */
export function isSameCopy(one: Grpc, other: Grpc): boolean {
  return one.ChannelCredentials === other.ChannelCredentials;
}
