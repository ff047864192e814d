import type { HashPolicy } from '../../../model/affinity.ts';
import type { Message } from './message.ts';
import { regexRewriteFrom } from './rewrite.ts';

/** Reads a list of `RouteAction.HashPolicy`; what cannot be hashed by a client is left out and reported. */
export function hashPoliciesFrom(messages: readonly Message[]): readonly HashPolicy[] {
  return messages.flatMap((message) => hashPolicyFrom(message) ?? []);
}

function hashPolicyFrom(message: Message): HashPolicy | undefined {
  const terminal = message.flag('terminal') === true && { terminal: true };
  const kind = message.oneOf('header', 'cookie', 'connection_properties', 'query_parameter', 'filter_state');
  if (kind === undefined) {
    message.findings.problem(message.path, 'must have one of header, cookie, connection_properties and query_parameter');
    return undefined;
  }
  const what = message.message(kind);
  if (what === undefined) return undefined;
  switch (kind) {
    case 'header': {
      const rewrite = what.message('regex_rewrite');
      const regexRewrite = rewrite && regexRewriteFrom(rewrite);
      return {
        kind: 'header',
        name: required(what, 'header_name').toLowerCase(),
        ...(regexRewrite !== undefined && { regexRewrite }),
        ...terminal,
      };
    }
    case 'cookie': {
      const ttlMs = what.durationMs('ttl');
      const path = what.name('path');
      if (what.list('attributes').length > 0) what.note('attributes', 'the cookie that is made has none but Path and Max-Age');
      return {
        kind: 'cookie',
        name: required(what, 'name'),
        ...(path !== undefined && { path }),
        ...(ttlMs !== undefined && { ttlMs }),
        ...terminal,
      };
    }
    case 'query_parameter':
      return { kind: 'query', name: required(what, 'name'), ...terminal };
    case 'connection_properties':
      return what.flag('source_ip') === true ? { kind: 'source-ip', ...terminal } : undefined;
    default: {
      // gRPC's way to say "by the channel" (gRFC A42).
      const key = required(what, 'key');
      if (key === 'io.grpc.channel_id') return { kind: 'channel', ...terminal };
      what.note('key', 'no filter state is known to a client');
      return undefined;
    }
  }
}

function required(message: Message, name: string): string {
  const text = message.text(name) ?? '';
  if (text === '') message.problem(name, 'must not be empty');
  return text;
}
