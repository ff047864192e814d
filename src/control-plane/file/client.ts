/** Reads a configuration file. */
import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { MeshError } from '../../base/errors.ts';

/** Larger files are refused: a thousand services with routes of their own fit, and parsing it must not hold the event loop for long. */
export const maxFileBytes = 1_048_576;

/** The text of a file and what tells one text from another. */
export interface ConfigText {
  readonly text: string;
  /** First 12 hexadecimal digits of the SHA-256 of the bytes; shown as the version of the configuration. */
  readonly version: string;
}

/** Reads a file of UTF-8. Throws `MESH_CONFIG_UNREADABLE` with the reason and the remedy. */
export async function readConfigFile(path: string, maxBytes: number = maxFileBytes): Promise<ConfigText> {
  const bytes = await readBytes(path, maxBytes);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw unreadable(path, 'it is not UTF-8; save it in that encoding', cause);
  }
  return { text, version: versionOf(bytes) };
}

/** The version of a text or of its bytes. */
export function versionOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 12);
}

async function readBytes(path: string, maxBytes: number): Promise<Uint8Array> {
  try {
    // Before it is opened: to open a named pipe waits for a writer.
    const before = await stat(path);
    if (before.isDirectory()) throw unreadable(path, 'it is a directory; name the file in it, such as mesh.yaml');
    if (!before.isFile()) throw unreadable(path, 'it is no regular file');
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    if (size > maxBytes)
      throw unreadable(path, `it has ${size} bytes, ${maxBytes} are allowed; split the services into several meshes`);
    // One byte more than it had, so that a file that grows meanwhile is seen to have grown.
    const buffer = new Uint8Array(size + 1);
    let length = 0;
    while (length < buffer.length) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return buffer.subarray(0, length);
  } catch (cause) {
    if (cause instanceof MeshError) throw cause;
    throw unreadable(path, systemReason(cause), cause);
  }
}

function unreadable(path: string, reason: string, cause?: unknown): MeshError {
  return new MeshError('MESH_CONFIG_UNREADABLE', `cannot read the configuration ${path}: ${reason}`, {
    cause,
    details: { path },
  });
}

function systemReason(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'ENOENT')
    return 'there is no such file; check the path, which is relative to the working directory of the process';
  if (code === 'EACCES' || code === 'EPERM') return 'this process may not read it; change its owner or mode';
  if (code === 'ENOTDIR') return 'a part of the path is no directory';
  if (code === 'ELOOP') return 'its symbolic links lead in a circle';
  return message;
}
