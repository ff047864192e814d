/** A secret of SDS (`extensions.transport_sockets.tls.v3.Secret`). */
import type { Message } from './message.ts';
import { certificateFrom } from './tls-material.ts';
import type { ReceivedSecret } from './tls-secrets.ts';
import { rootsFrom } from './validation-context.ts';

/** Reads a `Secret`; undefined, with the reason among the problems, when it is of a kind that is not for connections. */
export function secretFrom(message: Message): ReceivedSecret | undefined {
  message.skip('@type');
  const name = message.name('name');
  if (name === undefined) message.problem('name', 'must not be empty');
  const kind = message.oneOf('tls_certificate', 'session_ticket_keys', 'validation_context', 'generic_secret');
  const inner = kind === undefined ? undefined : message.message(kind);
  if (kind === undefined) message.findings.problem(message.path, 'must have a tls_certificate or a validation_context');
  if (name === undefined || inner === undefined) return undefined;
  if (kind === 'tls_certificate') return certificateFrom(inner, name);
  if (kind === 'validation_context') return rootsFrom(inner, name);
  inner.markRead();
  message.problem(kind!, 'is not read here; certificates and roots are');
  return undefined;
}
