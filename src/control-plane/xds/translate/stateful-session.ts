import type { SessionAffinity } from '../../../model/affinity.ts';
import type { Message } from './message.ts';

/** Reads a `StatefulSession`; undefined when it keeps no session. */
export function sessionFrom(message: Message): SessionAffinity | undefined {
  message.skip('stat_prefix', 'status_on_strict_destination_unavailable');
  const strict = message.flag('strict') === true && { strict: true };
  const state = message.message('session_state');
  if (state === undefined) return undefined;
  state.skip('name');
  const config = state.any('typed_config');
  if (config === undefined) {
    state.problem('typed_config', 'must be a CookieBasedSessionState or HeaderBasedSessionState');
    return undefined;
  }
  const { type, message: session } = config;
  const isEnvelope = /envelope/i.test(type);
  const cookie = isEnvelope ? undefined : session.message('cookie');
  if (cookie !== undefined) {
    const name = cookie.text('name') ?? '';
    if (name === '') cookie.problem('name', 'must be the name of a cookie');
    const path = cookie.name('path');
    const ttlMs = cookie.durationMs('ttl');
    if (cookie.list('attributes').length > 0) cookie.note('attributes', 'the cookie that is made has Path, Max-Age and HttpOnly');
    return {
      kind: 'cookie',
      name,
      ...(path !== undefined && { path }),
      ...(ttlMs !== undefined && ttlMs > 0 && { ttlMs }),
      ...strict,
    };
  }
  const name = isEnvelope ? undefined : session.name('name');
  if (name !== undefined) return { kind: 'header', name: name.toLowerCase(), ...strict };
  session.markRead();
  session.findings.note(session.path, 'keeps sessions in a way that is not known here; cookies and headers are');
  return undefined;
}
