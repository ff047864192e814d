import { readFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { MeshError } from '../../base/errors.ts';

/** An ACL token. Prints as `[redacted]`; `reveal()` is called where the request header is written and nowhere else. */
export class ConsulToken {
  readonly #value: string;
  /** Throws a TypeError, without the value, when the token could not be sent as a header. */
  constructor(value: string) {
    if (!/^[\x21-\x7e]+$/.test(value)) {
      throw new TypeError('a Consul token must be one word of printable ASCII; this one is empty or has white space inside');
    }
    this.#value = value;
  }
  reveal(): string {
    return this.#value;
  }
  toString(): string {
    return '[redacted]';
  }
  toJSON(): string {
    return '[redacted]';
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return 'ConsulToken [redacted]';
  }
}

/** The token to send now, if any. Rejects with a MeshError that names the file when it cannot be read. */
export type TokenSource = () => Promise<ConsulToken | undefined>;

/** A token that never changes, or none. */
export function fixedToken(token: ConsulToken | undefined): TokenSource {
  return () => Promise.resolve(token);
}

/**
 * A token from a file, read again for every request so that a rotated one is used without a restart (a request comes at most a few
 * times a second). The first read is done here: a missing file is a mistake of the set-up.
 */
export function tokenFromFile(path: string): TokenSource {
  parseTokenFile(
    path,
    attempt(path, () => readFileSync(path, 'utf8')),
  );
  return async () => {
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      throw unreadable(path, error);
    }
    return parseTokenFile(path, text);
  };
}

function parseTokenFile(path: string, text: string): ConsulToken {
  try {
    return new ConsulToken(text.trim());
  } catch (error) {
    throw new MeshError(
      'MESH_CONFIG_INVALID',
      `token file "${path}": ${(error as Error).message}; put the SecretID alone into it`,
    );
  }
}

function attempt(path: string, read: () => string): string {
  try {
    return read();
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, cause: unknown): MeshError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new MeshError(
    'MESH_CONFIG_UNREADABLE',
    `cannot read the Consul token file "${path}" (${reason}); check path and permissions`,
    {
      cause,
    },
  );
}
