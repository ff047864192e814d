/** Conditions of a route (`config.route.v3.RouteMatch`). One that cannot be said makes the route never match (gRFC A28). */
import type { MetadataMatcher, PathMatcher, RouteMatch, ValueMatcher } from '../../../model/match.ts';
import type { Message } from './message.ts';
import {
  cookieMatcherFrom,
  headerMatcherFrom,
  metadataMatcherFrom,
  queryMatcherFrom,
  regexMatcherFrom,
  runtimeFractionFrom,
  type Said,
} from './string-matcher.ts';

/** Reads the match of a route. */
export function routeMatchFrom(message: Message): RouteMatch {
  const unsupported: string[] = [];
  const path = pathFrom(message, unsupported);
  const list = <T>(name: string, read: (item: Message) => Said<T>): readonly T[] =>
    message.messages(name).flatMap((item) => {
      const said = read(item);
      if ('value' in said) return [said.value];
      unsupported.push(said.unsupported);
      return [];
    });
  const headers = list<ValueMatcher>('headers', headerMatcherFrom);
  const query = list<ValueMatcher>('query_parameters', queryMatcherFrom);
  const cookies = list<ValueMatcher>('cookies', cookieMatcherFrom);
  const metadata = list<MetadataMatcher>('dynamic_metadata', metadataMatcherFrom);
  const fraction = message.message('runtime_fraction');
  for (const name of ['tls_context', 'filter_state'] as const) {
    if (!message.has(name)) continue;
    message.skip(name);
    unsupported.push(`the condition ${message.at(name)}`);
  }
  const grpc = message.message('grpc') !== undefined;
  return {
    ...(path !== undefined && { path }),
    ...(headers.length > 0 && { headers }),
    ...(query.length > 0 && { query }),
    ...(cookies.length > 0 && { cookies }),
    ...(metadata.length > 0 && { metadata }),
    ...(fraction !== undefined && { fraction: runtimeFractionFrom(fraction) }),
    ...(grpc && { grpc }),
    ...(unsupported.length > 0 && { unsupported }),
  };
}

function pathFrom(message: Message, unsupported: string[]): PathMatcher | undefined {
  const kind = message.oneOf('prefix', 'path', 'safe_regex', 'connect_matcher', 'path_separated_prefix', 'path_match_policy');
  const ignoreCase = message.flag('case_sensitive') === false && { ignoreCase: true };
  switch (kind) {
    case undefined:
      message.findings.problem(
        message.path,
        'must have one of prefix, path, path_separated_prefix, safe_regex and path_match_policy',
      );
      return undefined;
    case 'prefix': {
      const value = message.text(kind) ?? '';
      // Every path begins with a slash, so these two match every request that has one.
      return value === '' ? undefined : { kind: 'prefix', value, ...ignoreCase };
    }
    case 'path':
      return { kind: 'exact', value: message.text(kind) ?? '', ...ignoreCase };
    case 'path_separated_prefix': {
      const value = message.text(kind) ?? '';
      // Envoy's own rule for the field: ^[^?#]+[^?#/]$.
      if (!/^[^?#]+[^?#/]$/.test(value)) message.problem(kind, 'must not be empty, end with a slash or contain ? or #');
      return { kind: 'segment-prefix', value, ...ignoreCase };
    }
    case 'safe_regex':
      return regexPath(message.message(kind), unsupported);
    case 'path_match_policy':
      return templateFrom(message, unsupported);
    default:
      message.skip(kind);
      unsupported.push(`the condition ${message.at(kind)}: requests of a program are no CONNECT requests`);
      return undefined;
  }
}

function regexPath(message: Message | undefined, unsupported: string[]): PathMatcher | undefined {
  const said = message && regexMatcherFrom(message);
  if (said === undefined || 'value' in said) return said?.value;
  unsupported.push(said.unsupported);
  return undefined;
}

function templateFrom(message: Message, unsupported: string[]): PathMatcher | undefined {
  const policy = message.message('path_match_policy');
  policy?.skip('name');
  const config = policy?.any('typed_config');
  const template = config?.message.text('path_template');
  if (template !== undefined) return { kind: 'template', value: template };
  unsupported.push(`the path matcher at ${message.at('path_match_policy')}`);
  return undefined;
}
