/**
 * Assertions on what a mesh would do with a request, by the explanation that `mesh.explain` gives: nothing is sent. A failed one is an
 * AssertionError of `node:assert`, which node:test, vitest and jest all show with its differences.
 */
import type { AssertionError } from 'node:assert';
import type { Explanation } from '../../admin/explain.ts';
import type { MeshErrorCode } from '../../base/errors.ts';
import { holdingProcess, sleep, systemClock } from '../../base/runtime.ts';
import type { Mesh } from '../../mesh-interface.ts';
import {
  differencesToAnswer,
  differencesToFail,
  differencesToReach,
  type Amount,
  type AnswerExpectation,
  type Difference,
  type ExpectedRequest,
  type ReachExpectation,
} from './route-differences.ts';
import { checkKeys, type Keys } from '../known-keys.ts';
import { errorOf } from './route-error.ts';
import { nameOf } from './route-shares.ts';

/** What can be expected. `R` is `void` for what is looked at now, and a promise for what may take a moment. */
export interface RouteAssertions<R> {
  /** Every request, or the `percent` of them, goes to this cluster, and it would not fail now. Under `not`: none goes there so. */
  toReach(cluster: string, expected?: ReachExpectation): R;
  /** The mesh answers by itself, without an endpoint: a response of the route, a fault on purpose, a rate limit. */
  toAnswer(status: number, expected?: AnswerExpectation): R;
  /** It answers with a redirect to this location. */
  toRedirect(location: string | RegExp, expected?: { readonly status?: number }): R;
  /** Every request fails now, with this code. Without one: in any way. */
  toFail(code?: MeshErrorCode): R;
}

/** What {@link expectRoute} gives. */
export interface RouteExpectation extends RouteAssertions<void> {
  readonly not: RouteAssertions<void>;
  /** Looks again until it holds, 5 s at most: for what control planes and DNS are asked, and for what is about to change. */
  readonly eventually: RouteAssertions<Promise<void>> & { readonly not: RouteAssertions<Promise<void>> };
}

/**
 * What a request would meet in this mesh. Without `eventually` an assertion is about this moment, and fails while a control plane or DNS
 * has been asked and has not answered.
 *
 * ```js
 * expectRoute(mesh, { url: 'http://orders/api', headers: { 'x-beta': '1' } }).toReach('orders', { subset: 'v2' });
 * expectRoute(mesh, 'http://orders/admin').not.toReach('orders');
 * ```
 */
export function expectRoute(mesh: Pick<Mesh, 'explain'>, request: string | URL | ExpectedRequest): RouteExpectation {
  const asked: ExpectedRequest = typeof request === 'string' || request instanceof URL ? { url: request } : request;
  checkKeys('a request', asked, requestKeys);
  const { url, method = 'GET', headers = {} } = asked;
  const look = (question: Question): AssertionError | undefined =>
    errorOf(mesh.explain(url, { method, headers }), asked, question);
  const now = (question: Question): void => {
    const error = look(question);
    if (error !== undefined) throw error;
  };
  const soon = (question: Question): Promise<void> => holdingProcess(untilHolds(() => look(question)));
  return {
    ...assertions(asked, false, now),
    not: assertions(asked, true, now),
    eventually: { ...assertions(asked, false, soon), not: assertions(asked, true, soon) },
  };
}

const requestKeys: Keys<ExpectedRequest> = { url: true, method: true, headers: true };

const reachKeys: Keys<ReachExpectation> = {
  subset: true,
  percent: true,
  endpoint: true,
  endpoints: true,
  path: true,
  host: true,
  headers: true,
  route: true,
  virtualHost: true,
  source: true,
  timeoutMs: true,
  mirrors: true,
};

const answerKeys: Keys<AnswerExpectation> = { percent: true, headers: true, body: true };

/** What is asked of an explanation. */
export interface Question {
  /** `reach orders/v2`. */
  readonly words: string;
  readonly isNegated: boolean;
  readonly differences: (explanation: Explanation, amount: Amount) => readonly Difference[];
  /** Where the stack of the error begins: at the test, not in here. */
  readonly caller: (...parameters: never[]) => unknown;
}

function assertions<R>(request: ExpectedRequest, isNegated: boolean, run: (question: Question) => R): RouteAssertions<R> {
  return {
    toReach: function toReach(cluster, expected = {}) {
      checkKeys('what toReach() expects', expected, reachKeys);
      const words = `reach ${nameOf({ cluster, subset: expected.subset ?? undefined })}`;
      return run({
        words,
        isNegated,
        caller: toReach,
        differences: (explanation, amount) => differencesToReach(explanation, request, { ...expected, cluster, amount }),
      });
    },
    toAnswer: function toAnswer(status, expected = {}) {
      checkKeys('what toAnswer() expects', expected, answerKeys);
      return run({
        words: `be answered with ${status}`,
        isNegated,
        caller: toAnswer,
        differences: (explanation, amount) => differencesToAnswer(explanation, { ...expected, status, amount }),
      });
    },
    toRedirect: function toRedirect(location, wanted = {}) {
      checkKeys('what toRedirect() expects', wanted, { status: true });
      const { status: expected } = wanted;
      return run({
        words: `be redirected to ${String(location)}`,
        isNegated,
        caller: toRedirect,
        differences(explanation, amount) {
          const found = explanation.answer?.status ?? 0;
          const status = expected ?? (found >= 300 && found < 400 ? found : 301);
          return differencesToAnswer(explanation, { status, amount, headers: { location } });
        },
      });
    },
    toFail: function toFail(code) {
      return run({
        words: code === undefined ? 'fail' : `fail with ${code}`,
        isNegated,
        caller: toFail,
        differences: (explanation, amount) => differencesToFail(explanation, code, amount),
      });
    },
  };
}

const limitMs = 5000;
const everyMs = 5;

/** Looks until there is no error; throws the last one. The time is that of the process: what is waited for may be real I/O. */
async function untilHolds(look: () => AssertionError | undefined): Promise<void> {
  const endMs = systemClock.now() + limitMs;
  for (let error = look(); error !== undefined; error = look()) {
    if (systemClock.now() > endMs) throw error;
    await sleep(systemClock, everyMs);
  }
}
