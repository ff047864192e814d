import { AssertionError } from 'node:assert';
import { inspect } from 'node:util';
import type { Explanation } from '../../admin/explain.ts';
import type { Question } from './expect-route.ts';
import type { Difference, ExpectedRequest } from './route-differences.ts';

/** The error that a test fails with; undefined when the explanation is as asked. */
export function errorOf(explanation: Explanation, request: ExpectedRequest, question: Question): AssertionError | undefined {
  const { isNegated, words, caller } = question;
  const { pending } = explanation;
  const found = question.differences(explanation, isNegated ? 'any' : 'share');
  if (!pending && (found.length === 0) === !isNegated) return undefined;
  const differences = pending || isNegated ? [] : found;
  const asked = `${request.method ?? 'GET'} ${String(request.url)}`;
  const said = isNegated ? `should not ${words}` : `should ${words}`;
  const remedy = pending ? ['it is not known yet: `await mesh.ready()` before, or `await expectRoute(…).eventually.…`'] : [];
  return new AssertionError({
    message: [`${asked} ${said}`, ...differences.flatMap(linesOf), ...remedy, '', ...contextOf(explanation)].join('\n'),
    actual: isNegated || pending ? explanation.verdict : valuesOf(differences, 'actual'),
    expected: isNegated || pending ? said : valuesOf(differences, 'expected'),
    operator: 'expectRoute',
    stackStartFn: caller,
  });
}

function linesOf({ what, expected, actual }: Difference): readonly string[] {
  return [`  ${what}`, `    - ${textOf(expected)} (expected)`, `    + ${textOf(actual)}`];
}

/** What the mesh says, so that a test that fails in CI tells why. */
function contextOf({ verdict, virtualHost, source, routes }: Explanation): readonly string[] {
  return [
    `explain: ${verdict}`,
    ...(virtualHost === undefined ? [] : [`virtual host: ${virtualHost} (of ${source})`]),
    ...routes.map(({ name, matched, failed }) => `route ${name}: ${matched ? 'matches' : `does not match: ${failed ?? 'no'}`}`),
  ];
}

function valuesOf(differences: readonly Difference[], side: 'expected' | 'actual'): Readonly<Record<string, unknown>> {
  return Object.fromEntries(differences.map((difference) => [difference.what, difference[side]]));
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : inspect(value);
}
