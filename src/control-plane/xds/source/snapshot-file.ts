/**
 * One file that holds resources as bytes, for a start without the server that they came from. It says where requests go, so that it is
 * only believed when nobody else can have written it: a file of ours with mode 0600 in a folder of ours with mode 0700, not reached
 * through a link, whole (checksum), of this format, of this owner, and not too old. Whatever is not so is not used, with the reason.
 * A new one takes the place of the old in one step, so that a process that dies while it writes leaves the old one.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, mkdir, open, rename, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeptKind } from './kept-resources.ts';

/** A resource in a snapshot. */
export interface SavedResource {
  readonly kind: KeptKind;
  readonly name: string;
  readonly version: string;
  readonly bytes: Uint8Array;
}

/** What is in a file. */
export interface SavedSnapshot {
  /** Wall clock. */
  readonly writtenMs: number;
  readonly resources: readonly SavedResource[];
}

/** Reads as a file of this kind; a later format gets another number. */
const title = 'meshfetch xds snapshot 1';
const maxBytes = 256 * 1024 * 1024;
/** Nothing for the group and for others. */
const forOthers = 0o077;

interface Header {
  readonly owner: string;
  readonly writtenMs: number;
  readonly resources: readonly {
    readonly kind: KeptKind;
    readonly name: string;
    readonly version: string;
    readonly size: number;
  }[];
}

/** Path of the snapshot of an owner. */
export function snapshotPath(folder: string, owner: string): string {
  return join(folder, `xds-${createHash('sha256').update(owner).digest('hex').slice(0, 32)}.snapshot`);
}

/** The snapshot of the owner; undefined when there is none. Throws an Error that says why there is one that is not used. */
export async function readSnapshot(folder: string, owner: string): Promise<SavedSnapshot | undefined> {
  const path = snapshotPath(folder, owner);
  let file: FileHandle;
  try {
    await checkFolder(folder);
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    if (codeOf(error) === 'ELOOP') throw new Error(`${path} is a link, which is not followed`, { cause: error });
    throw error;
  }
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new Error(`${path} is no file`);
    checkOwner(path, found);
    if (found.size > maxBytes) throw new Error(`${path} has ${found.size} bytes; at most ${maxBytes} are read`);
    return parse(await file.readFile(), path, owner);
  } finally {
    await file.close();
  }
}

/** Writes the snapshot of the owner. Throws an Error when the folder is not ours alone or cannot be written to. */
export async function writeSnapshot(folder: string, owner: string, snapshot: SavedSnapshot): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await checkFolder(folder);
  const path = snapshotPath(folder, owner);
  const partial = `${path}.${process.pid}.partial`;
  // Of a process that died while it wrote.
  await unlink(partial).catch(() => {});
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const file = await open(partial, flags, 0o600);
  try {
    try {
      await file.writeFile(serialized(owner, snapshot));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, path);
  } catch (error) {
    await unlink(partial).catch(() => {}); // the reason is the one before
    throw error;
  }
}

function serialized(owner: string, { writtenMs, resources }: SavedSnapshot): Buffer {
  const header: Header = {
    owner,
    writtenMs,
    resources: resources.map(({ kind, name, version, bytes }) => ({ kind, name, version, size: bytes.length })),
  };
  const body = Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), ...resources.map(({ bytes }) => bytes)]);
  return Buffer.concat([Buffer.from(`${title}\n${checksum(body)}\n`), body]);
}

function parse(file: Buffer, path: string, owner: string): SavedSnapshot {
  const titleEnd = file.indexOf('\n');
  const sumEnd = file.indexOf('\n', titleEnd + 1);
  if (titleEnd < 0 || sumEnd < 0 || file.toString('utf8', 0, titleEnd) !== title)
    throw new Error(`${path} is no snapshot of this format`);
  const body = file.subarray(sumEnd + 1);
  if (file.toString('utf8', titleEnd + 1, sumEnd) !== checksum(body))
    throw new Error(`${path} is damaged: its checksum is another`);
  const headerEnd = body.indexOf('\n');
  const header = JSON.parse(body.toString('utf8', 0, headerEnd)) as Header;
  if (header.owner !== owner) throw new Error(`${path} is the snapshot of another node or server`);
  let at = headerEnd + 1;
  const end = header.resources.reduce((sum, { size }) => (Number.isSafeInteger(size) && size >= 0 ? sum + size : NaN), at);
  if (end !== body.length) throw new Error(`${path} is damaged: it has ${body.length} bytes, and its parts have ${end}`);
  const resources = header.resources.map(({ kind, name, version, size }) => {
    const bytes = body.subarray(at, at + size);
    at += size;
    return { kind, name, version, bytes };
  });
  return { writtenMs: header.writtenMs, resources };
}

function checksum(body: Buffer): string {
  return createHash('sha256').update(body).digest('hex');
}

async function checkFolder(folder: string): Promise<void> {
  const found = await lstat(folder);
  if (!found.isDirectory()) throw new Error(`${folder} is no folder`);
  checkOwner(folder, found);
}

function checkOwner(path: string, { uid, mode }: { readonly uid: number; readonly mode: number }): void {
  // Windows has neither; there the folder's own permissions protect it.
  const ours = process.getuid?.();
  if (ours === undefined) return;
  if (uid !== ours) throw new Error(`${path} belongs to another user (${uid}, and we are ${ours})`);
  if ((mode & forOthers) !== 0)
    throw new Error(
      `others may use ${path} (mode ${(mode & 0o777).toString(8)}); take their permissions away: chmod go= ${path}`,
    );
}

function codeOf(error: unknown): string | undefined {
  return (error as { readonly code?: string }).code;
}
