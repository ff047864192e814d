/**
 * Tests of dynamic metadata in access rules. What is noted about a request here are the payloads of verified tokens, so that a test of
 * the name space of `jwt_authn` is a test of claims; Envoy tells a text from a list of texts, and so does the model.
 */
import type { ClaimMatcher } from '../../../../model/authorization.ts';
import type { MetadataMatcher } from '../../../../model/match.ts';
import type { Message } from '../message.ts';
import { metadataTest, type Said } from '../string-matcher.ts';

/** A test of claims; it means the same in a permission and in a principal. */
export type ClaimTest =
  | ClaimMatcher
  | { readonly kind: 'any' }
  | { readonly kind: 'some'; readonly of: readonly ClaimTest[] }
  | { readonly kind: 'not'; readonly of: ClaimTest };

/** Which token providers note their payload under which key (`payload_in_metadata`), of those that came before in the chain. */
export type PayloadKeys = ReadonlyMap<string, readonly string[]>;

/** A test that never holds. */
export const never: { readonly kind: 'not'; readonly of: { readonly kind: 'any' } } = { kind: 'not', of: { kind: 'any' } };

/** Reads a `MetadataMatcher` of an access rule. */
export function claimsFrom(message: Message, payloads: PayloadKeys): Said<ClaimTest> {
  const namespace = message.text('filter') ?? '';
  const [payload, ...path] = message.messages('path').map((segment) => segment.text('key') ?? '');
  const value = message.message('value');
  const isInverted = message.flag('invert') === true;
  if (value === undefined) {
    message.problem('value', 'must be a test of the value');
    return { unsupported: `the metadata matcher at ${message.path}, which has no test` };
  }
  if (namespace !== 'envoy.filters.http.jwt_authn' || payload === undefined || path.length === 0) {
    value.markRead();
    return { unsupported: `metadata of ${namespace === '' ? 'no name space' : namespace} at ${message.path}` };
  }
  const tests = testsOf(value, false);
  if ('unsupported' in tests) return tests;
  const providers = payloads.get(payload);
  if (providers === undefined) {
    message.note('path', `no token is noted under ${JSON.stringify(payload)} before this filter, so that the test never holds`);
    return { value: isInverted ? { kind: 'any' } : never };
  }
  const count = new Set([...payloads.values()].flat()).size;
  const named: readonly (string | undefined)[] = providers.length === count ? [undefined] : providers;
  const claims = named.flatMap((provider) =>
    merged(tests.value).map(({ match, elements }): ClaimTest => ({
      kind: 'claim',
      ...(provider !== undefined && { provider }),
      path,
      match,
      ...(elements !== undefined && { elements }),
    })),
  );
  const test: ClaimTest = claims.length === 1 ? claims[0]! : { kind: 'some', of: claims };
  return { value: isInverted ? { kind: 'not', of: test } : test };
}

type ValueTest = Pick<ClaimMatcher, 'match' | 'elements'>;

/** The alternatives of a `ValueMatcher`. */
function testsOf(value: Message, isInList: boolean): Said<readonly ValueTest[]> {
  const kind = value.oneOf('null_match', 'double_match', 'string_match', 'bool_match', 'present_match', 'list_match', 'or_match');
  if (kind === 'or_match') {
    const tests: ValueTest[] = [];
    for (const each of value.message(kind)?.messages('value_matchers') ?? []) {
      const said = testsOf(each, isInList);
      if ('unsupported' in said) return said;
      tests.push(...said.value);
    }
    return { value: tests };
  }
  if (kind === 'list_match' && !isInList) {
    const element = value.message(kind)?.message('one_of');
    if (element !== undefined) return testsOf(element, true);
  }
  const said = metadataTest(value);
  if ('unsupported' in said) return said;
  // Whatever is there is there, a list too.
  if (said.value.kind === 'present' && !isInList) return { value: [{ match: said.value }] };
  return { value: [{ match: said.value, elements: isInList ? 'only' : 'never' }] };
}

/** A test that is there for texts and for lists alike is one of both. */
function merged(tests: readonly ValueTest[]): readonly ValueTest[] {
  const byMatch = Map.groupBy(tests, ({ match }) => JSON.stringify(match));
  return [...byMatch.values()].map((alike): ValueTest => {
    const match: MetadataMatcher['match'] = alike[0]!.match;
    const elements = new Set(alike.map((test) => test.elements));
    return elements.size > 1 ? { match } : alike[0]!;
  });
}
