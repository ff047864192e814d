import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { retryConditions, type RetryCondition } from '../../../src/model/retry-conditions.ts';
import { safeRetry } from '../../../src/control-plane/safe-defaults.ts';
import { decideRetry } from '../../../src/data-plane/resilience/retry.ts';
import { overrideHeaders } from '../../../src/data-plane/resilience/request-overrides.ts';
import { errorTable, type MeshErrorCode } from '../../../src/base/errors.ts';
import { closedPort } from '../../support/servers.ts';
import { readText, sectionOf, tableRows } from './markdown.ts';
import { runPage } from './run-page.ts';

/** Pages of the ports 7001 and 7002, and the words in them that are a matter of chance. */
const pages: readonly { readonly page: string; readonly sameWords?: readonly (readonly [RegExp, string])[] }[] = [
  { page: 'split-and-rewrite-traffic' },
  { page: 'mirror-traffic' },
  { page: 'inject-faults' },
  { page: 'limit-load' },
  { page: 'hedge-requests' },
  // Which of the two endpoints it is depends on chance, and on their ports.
  { page: 'keep-a-session', sameWords: [[/^[ab](?= served)|(?<=: # )[ab](?= GET)/, 'one']] },
  { page: 'override-by-header' },
  { page: 'retry-requests' },
  { page: 'hand-on-deadlines' },
];

describe('how to shape, limit and keep requests', () => {
  for (const { page, ...options } of pages) {
    it(`is run as it stands: ${page}`, async () => {
      const ports = new Map([
        ['7001', await closedPort()],
        ['7002', await closedPort()],
      ]);
      const { outputs } = await runPage(`docs/how-to/${page}.md`, { ports, ...options });
      assert.ok(outputs.length > 1);
    });
  }
});

describe('the words of retry.on', () => {
  const section = sectionOf(readText('docs/how-to/retry-requests.md'), '## The words of `on`');
  const rows = new Map(
    tableRows(section).map(([word = '', meaning = '', standard = '']) => [plain(word), { meaning, standard }]),
  );
  const noResponse = codesIn(/\*No response\*.*/.exec(section)![0].split('.')[0]!);
  const request = { method: 'GET', isIdempotent: true, isReplayable: true, header: () => undefined };

  it('have a row each, in the order of the schema but for what belongs together', () => {
    assert.deepEqual([...rows.keys()].toSorted(), retryConditions.toSorted());
  });

  it('are marked where they are the default', () => {
    const standard = [...rows].filter(([, row]) => row.standard === 'yes').map(([word]) => word);
    assert.deepEqual(standard, safeRetry.on);
  });

  for (const word of retryConditions) {
    it(`retry the failures that the page names: ${word}`, () => {
      const retried = Object.keys(errorTable).filter(
        (code) => decideRetry(request, { maxAttempts: 2, on: [word] }, 1, failureOf(code as MeshErrorCode, true)).retry,
      );
      const { meaning } = rows.get(word)!;
      // What nothing was sent of is retried by another word, whatever it is.
      const named = word !== 'reset-before-request' && meaning.includes('no response') ? noResponse : codesIn(meaning);
      assert.deepEqual(retried.toSorted(), named.toSorted());
    });

    it(`retry the statuses that the page names: ${word}`, () => {
      const policy = { maxAttempts: 2, on: [word] };
      const statuses = Array.from({ length: 500 }, (_, index) => index + 100);
      const retried = statuses.filter((status) => decideRetry(request, policy, 1, responseOf(status)).retry);
      assert.deepEqual(retried, statusesIn(rows.get(word)!.meaning));
    });

    it(`retry the gRPC status that the page names: ${word}`, () => {
      const policy = { maxAttempts: 2, on: [word] as RetryCondition[] };
      const codes = Array.from({ length: 17 }, (_, code) => String(code));
      const retried = codes.filter((code) => decideRetry(request, policy, 1, responseOf(200, code)).retry);
      assert.deepEqual(
        retried,
        [...rows.get(word)!.meaning.matchAll(/gRPC status (\d+)/g)].map(([, code]) => code),
      );
    });
  }

  it('retry what was not processed: reset-before-request', () => {
    const policy = { maxAttempts: 2, on: ['reset-before-request'] as const };
    assert.deepEqual(
      noResponse.filter((code) => !decideRetry(request, policy, 1, failureOf(code as MeshErrorCode, false)).retry),
      [],
    );
  });
});

describe('the headers that override', () => {
  it('are all on the page, and no other', () => {
    const page = readText('docs/how-to/override-by-header.md');
    for (const [kind, names] of Object.entries(overrideHeaders)) {
      const heading = kind === 'envoy' ? '## The headers of Envoy' : '## The headers of Linkerd';
      const named = tableRows(sectionOf(page, heading)).flatMap(([cell = '']) =>
        [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
      );
      assert.deepEqual(named.toSorted(), [...names].toSorted());
    }
  });
});

function plain(cell: string): string {
  return cell.replaceAll('`', '');
}

function codesIn(text: string): readonly string[] {
  return [...text.matchAll(/MESH_[A-Z_]+/g)].map(([code]) => code);
}

/** `status 409`, `status 500 to 599`, `status 502, 503 or 504`. */
function statusesIn(text: string): readonly number[] {
  const list = /(?<!gRPC )status ([\d, ]+(?:(?:or|to) \d+)?)/.exec(text)?.[1] ?? '';
  const numbers = [...list.matchAll(/\d+/g)].map(Number);
  const [first = 0, last = 0] = numbers;
  return list.includes(' to ') ? Array.from({ length: last - first + 1 }, (_, index) => first + index) : numbers;
}

function failureOf(code: MeshErrorCode, mayHaveBeenProcessed: boolean) {
  return { kind: 'failure', code, mayHaveBeenProcessed, localOrigin: true, ours: false, reason: code } as const;
}

function responseOf(status: number, grpcStatus?: string) {
  return { kind: 'response', status, headers: {}, grpcStatus } as const;
}
