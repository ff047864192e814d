/** Access rules of the model, evaluated word for word for the vectors: slow, without identities and tokens, which they do not have. */
import { BlockList } from 'node:net';
import { compilePath, compileString, compileValue } from '../../src/data-plane/routing/match-value.ts';
import type { AuthorizationPolicyConfig, Permission, Principal } from '../../src/model/authorization.ts';
import type { PathMatcher, StringMatcher } from '../../src/model/match.ts';
import type { PathNormalizationConfig } from '../../src/model/listener.ts';

/** A request as a server sees it, its path in the form that rules look at. */
export interface AccessRequest {
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly port: number;
  readonly peer: string;
}

/** Whether the request may come in: DENY first, then ALLOW. */
export function isAllowed(policies: readonly AuthorizationPolicyConfig[], request: AccessRequest): boolean {
  const matches = (policy: AuthorizationPolicyConfig): boolean =>
    policy.rules.some(
      ({ principals, permissions }) =>
        principals.some((each) => test(each, request)) && permissions.some((each) => test(each, request)),
    );
  const enforced = policies.filter(({ dryRun }) => dryRun !== true);
  if (enforced.some((policy) => policy.action === 'deny' && matches(policy))) return false;
  const stages = Map.groupBy(
    enforced.filter(({ action }) => action === 'allow'),
    ({ stage = 0 }) => stage,
  );
  return [...stages.values()].every((stage) => stage.some(matches));
}

function test(condition: Permission | Principal, request: AccessRequest): boolean {
  switch (condition.kind) {
    case 'any':
      return true;
    case 'all':
      return (condition.of as readonly (Permission | Principal)[]).every((each) => test(each, request));
    case 'some':
      return (condition.of as readonly (Permission | Principal)[]).some((each) => test(each, request));
    case 'not':
      return !test(condition.of, request);
    case 'method':
      return compileString(condition.match)(request.method);
    case 'path':
      return pathTest(condition.match)(request.path.split(/[?#]/)[0]!);
    case 'port':
      return request.port >= condition.start && request.port <= condition.end;
    case 'source-ip':
      return isWithin(request.peer, condition.cidr);
    case 'header':
      return compileValue<AccessRequest>(condition.header, headerOf)(request);
    default:
      throw new TypeError(`${condition.kind} does not occur in the vectors`);
  }
}

function pathTest(match: PathMatcher | StringMatcher): (path: string) => boolean {
  return match.kind === 'template' || match.kind === 'segment-prefix' ? compilePath(match) : compileString(match);
}

function headerOf(request: AccessRequest, name: string): string | readonly string[] | undefined {
  if (name === ':method') return request.method;
  if (name === ':path') return request.path;
  if (name === ':authority') return request.host;
  const values = request.headers.filter(([each]) => each.toLowerCase() === name).map(([, value]) => value);
  return values.length === 0 ? undefined : values;
}

function isWithin(address: string, cidr: string): boolean {
  const [net = '', bits] = cidr.split('/');
  const list = new BlockList();
  list.addSubnet(net, Number(bits));
  return list.check(address);
}

/** The path that rules look at; undefined = the request is refused for it (400), or redirected. */
export function normalized(
  path: string,
  { normalize, mergeSlashes, escapedSlashes }: PathNormalizationConfig,
): string | undefined {
  if (path.includes('#')) return undefined; // Envoy refuses fragments unless it is told otherwise
  const [, plain = '', query = ''] = /^([^?]*)(.*)$/.exec(path)!;
  let result = plain;
  if (/%2f|%5c/i.test(result)) {
    if (escapedSlashes === 'reject' || escapedSlashes === 'redirect') return undefined;
    if (escapedSlashes === 'unescape') result = result.replaceAll(/%2f/gi, '/').replaceAll(/%5c/gi, '\\');
  }
  if (normalize && /%00/.test(result)) return undefined;
  if (normalize)
    result = new URL(`http://h${result.replaceAll('\\', '/')}`).pathname
      .replaceAll(/%7e/gi, '~')
      .replaceAll(/%2d/gi, '-')
      .replaceAll(/%5f/gi, '_')
      .replaceAll(/%([46][1-9a-f]|[57][0-9a])/gi, (text) => decodeURIComponent(text));
  if (mergeSlashes) result = result.replaceAll(/\/{2,}/g, '/');
  return `${result}${query}`;
}
