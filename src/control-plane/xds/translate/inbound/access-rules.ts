/**
 * Conditions of access rules (`config.rbac.v3.Permission` and `Principal`) in the words of the model. A condition that cannot be said is
 * collected: the rule that has it is then decided as a whole, in the direction that refuses (see rbac.ts).
 */
import type { Permission, Principal } from '../../../../model/authorization.ts';
import type { Message } from '../message.ts';
import { headerMatcherFrom, stringMatcherFrom, type Said } from '../string-matcher.ts';
import { claimsFrom, never, type PayloadKeys } from './claims.ts';

/** What the conditions of a rule are read with. */
export interface RuleContext {
  readonly payloads: PayloadKeys;
  /** Conditions that cannot be evaluated. */
  readonly missing: string[];
}

const permissionKinds = [
  'and_rules',
  'or_rules',
  'any',
  'header',
  'url_path',
  'destination_ip',
  'destination_port',
  'destination_port_range',
  'metadata',
  'not_rule',
  'requested_server_name',
  'matcher',
  'uri_template',
  'sourced_metadata',
] as const;

/** Reads a `Permission`. */
export function permissionFrom(message: Message, context: RuleContext): Permission {
  const kind = message.oneOf(...permissionKinds);
  const inner = kind === undefined || kind === 'any' || kind === 'destination_port' ? undefined : message.message(kind);
  if (kind === 'any') return anyFrom(message);
  if (kind === 'destination_port') {
    const port = message.whole(kind, 0, 65_535) ?? 0;
    return { kind: 'port', start: port, end: port };
  }
  if (inner === undefined) return missing(message, 'a condition without a kind that is known here', context);
  switch (kind) {
    case 'and_rules':
    case 'or_rules':
      return joined(
        kind === 'and_rules' ? 'all' : 'some',
        someOf(inner, 'rules').map((rule) => permissionFrom(rule, context)),
      );
    case 'not_rule':
      return { kind: 'not', of: permissionFrom(inner, context) };
    case 'header':
      return headerTest(inner, context);
    case 'url_path':
      return pathTest(inner, context);
    case 'destination_ip':
      return { kind: 'destination-ip', cidr: cidrFrom(inner) };
    case 'destination_port_range':
      return portRange(inner);
    case 'metadata':
      return said(claimsFrom(inner, context.payloads), context);
    case 'sourced_metadata':
      return sourced(inner, context);
    case 'requested_server_name':
      return said(
        mapped(stringMatcherFrom(inner), (match) => ({ kind: 'sni' as const, match })),
        context,
      );
    case 'uri_template':
      return templateTest(inner, context);
    default:
      inner.markRead();
      return missing(message, `the matcher at ${message.at(kind!)}, an extension`, context);
  }
}

const principalKinds = [
  'and_ids',
  'or_ids',
  'any',
  'authenticated',
  'source_ip',
  'direct_remote_ip',
  'remote_ip',
  'header',
  'url_path',
  'metadata',
  'filter_state',
  'not_id',
  'sourced_metadata',
  'custom',
] as const;

/** Reads a `Principal`. */
export function principalFrom(message: Message, context: RuleContext): Principal {
  const kind = message.oneOf(...principalKinds);
  if (kind === 'any') return anyFrom(message);
  const inner = kind === undefined ? undefined : message.message(kind);
  if (inner === undefined) return missing(message, 'a condition without a kind that is known here', context);
  switch (kind) {
    case 'and_ids':
    case 'or_ids':
      return joined(
        kind === 'and_ids' ? 'all' : 'some',
        someOf(inner, 'ids').map((id) => principalFrom(id, context)),
      );
    case 'not_id':
      return { kind: 'not', of: principalFrom(inner, context) };
    case 'authenticated':
      return authenticated(inner, context);
    case 'source_ip':
      return { kind: 'source-ip', which: 'connection', cidr: cidrFrom(inner) };
    case 'direct_remote_ip':
      return { kind: 'source-ip', which: 'direct', cidr: cidrFrom(inner) };
    case 'remote_ip':
      return { kind: 'source-ip', which: 'remote', cidr: cidrFrom(inner) };
    case 'header':
      return asPrincipal(headerTest(inner, context));
    case 'url_path':
      return pathTest(inner, context);
    case 'metadata':
      return said(claimsFrom(inner, context.payloads), context);
    case 'sourced_metadata':
      return sourced(inner, context);
    case 'filter_state':
      return filterState(inner, context);
    default:
      inner.markRead();
      return missing(message, `the principal at ${message.at(kind!)}, an extension`, context);
  }
}

/** Without a name, everybody who speaks TLS. Names of the subject are not compared: an identity is a URI or a DNS name. */
function authenticated(message: Message, context: RuleContext): Principal {
  const name = message.message('principal_name');
  if (name === undefined) return { kind: 'tls' };
  return said(
    mapped(stringMatcherFrom(name), (match) => ({ kind: 'identity' as const, match })),
    context,
  );
}

/** What Istio's filters note of the peer is its identity; other filters note nothing here. */
function filterState(message: Message, context: RuleContext): Principal {
  const key = message.text('key') ?? '';
  const match = message.message('string_match');
  if (key === 'io.istio.peer_principal' && match !== undefined)
    return said(
      mapped(stringMatcherFrom(match), (value) => ({ kind: 'identity' as const, match: value })),
      context,
    );
  message.markRead();
  return missing(message, `the filter state ${JSON.stringify(key)} at ${message.path}`, context);
}

/** `:method` has a kind of its own. */
function headerTest(message: Message, context: RuleContext): HeaderTest {
  const header = headerMatcherFrom(message);
  if ('unsupported' in header) return said(header, context);
  const { name, match, invert } = header.value;
  if (name !== ':method' || match.kind === 'range') return { kind: 'header', header: header.value };
  const test = { kind: 'method' as const, match };
  return invert === true ? { kind: 'not', of: test } : test;
}

type HeaderTest = Permission & ({ kind: 'header' | 'method' | 'any' } | { kind: 'not'; of: { kind: 'method' | 'any' } });

/** A principal has no kind for methods; there they are headers as others are. */
function asPrincipal(test: Permission): Principal {
  if (test.kind === 'method') return { kind: 'header', header: { name: ':method', match: test.match } };
  if (test.kind === 'not') return { kind: 'not', of: asPrincipal(test.of) };
  return test as Principal;
}

function pathTest(message: Message, context: RuleContext) {
  const path = message.message('path');
  if (path === undefined) return missing(message, `the path matcher at ${message.path}, which has no test`, context);
  return said(
    mapped(stringMatcherFrom(path), (match) => ({ kind: 'path' as const, match })),
    context,
  );
}

function templateTest(message: Message, context: RuleContext): Permission {
  const config = message.any('typed_config');
  message.skip('name');
  const template = config?.message.name('path_template');
  if (template !== undefined) return { kind: 'path', match: { kind: 'template', value: template } };
  config?.message.markRead();
  return missing(message, `the path matcher at ${message.path}`, context);
}

/** Where the metadata comes from: of a route nothing is known when the rule is read. */
function sourced(message: Message, context: RuleContext) {
  const source = message.choice('metadata_source', ['DYNAMIC', 'ROUTE']);
  const matcher = message.message('metadata_matcher');
  if (matcher !== undefined && source !== 'ROUTE') return said(claimsFrom(matcher, context.payloads), context);
  matcher?.markRead();
  return missing(message, `metadata of the route at ${message.path}`, context);
}

/** Its end is not part of it. */
function portRange(message: Message): Permission {
  const start = message.whole('start', 0, 65_535) ?? 0;
  const end = message.whole('end', 0, 65_536) ?? 0;
  return start < end ? { kind: 'port', start, end: end - 1 } : never;
}

/** Reads a `CidrRange`, such as `10.0.0.0/8`. Without a length it is all addresses, as in Envoy. */
export function cidrFrom(message: Message): string {
  return `${message.text('address_prefix') ?? ''}/${message.whole('prefix_len', 0, 128) ?? 0}`;
}

/** The parts of a condition; Envoy refuses one that has none, since it would say something about every request. */
function someOf(message: Message, name: string): readonly Message[] {
  const parts = message.messages(name);
  if (parts.length === 0) message.problem(name, 'must have at least one');
  return parts;
}

/** `any: false` is refused by Envoy. */
function anyFrom(message: Message): { readonly kind: 'any' } {
  if (message.flag('any') !== true) message.problem('any', 'must be true');
  return { kind: 'any' };
}

/** A list of one is its element. */
function joined<T>(kind: 'all' | 'some', of: readonly T[]): T | { readonly kind: 'all' | 'some'; readonly of: readonly T[] } {
  return of.length === 1 ? of[0]! : { kind, of };
}

function mapped<T, R>(value: Said<T>, map: (value: T) => R): Said<R> {
  return 'value' in value ? { value: map(value.value) } : value;
}

function said<T>(value: Said<T>, context: RuleContext): T | { readonly kind: 'any' } {
  if ('value' in value) return value.value;
  context.missing.push(value.unsupported);
  return { kind: 'any' };
}

function missing(message: Message, what: string, context: RuleContext): { readonly kind: 'any' } {
  message.skip(...message.keys());
  context.missing.push(what);
  return { kind: 'any' };
}
