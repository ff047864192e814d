/** Data that stands in a resource (`config.core.v3.DataSource`). */
import type { Message } from './message.ts';
import type { TlsSecrets } from './tls-secrets.ts';

/**
 * The text of a `DataSource`; undefined when there is none, or it is refused. Files and environment variables are those of this machine,
 * which a control plane has no business to read: their content would go to whoever it names as an endpoint.
 */
export function dataSourceText(source: Message | undefined): string | undefined {
  if (source === undefined) return undefined;
  const kind = source.oneOf('inline_string', 'inline_bytes', 'filename', 'environment_variable');
  if (kind === 'inline_string') return source.text(kind);
  if (kind === 'inline_bytes') return Buffer.from(source.bytes(kind) ?? '').toString('utf8');
  if (kind === undefined) {
    source.findings.problem(source.path, 'must have an inline_string or inline_bytes');
    return undefined;
  }
  source.skip(kind, 'watched_directory');
  const what = kind === 'filename' ? 'files of this machine are' : 'the environment of this process is';
  source.problem(kind, `${what} not read for a control plane; give the content in inline_string or inline_bytes`);
  return undefined;
}

/**
 * Path of the file that a `DataSource` names, where that is the name of a secret to whoever wrote it; it counts as read and is reported.
 * Undefined for all other sources.
 */
export function namedFile(source: Message | undefined, secrets: TlsSecrets): string | undefined {
  if (secrets.files === 'refuse' || source?.has('filename') !== true) return undefined;
  const path = source.text('filename');
  source.note('filename', `is not read; connections fail until the secret ${JSON.stringify(`file:${path}`)} is delivered`);
  return path;
}
