/**
 * Generated route tables and requests with what Envoy 1.40 did with each: the route, the rewritten request, the redirect, the answer.
 * The folder is named by MESHFETCH_VECTORS.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { compileEnvoy, route, type RouteResult } from 'meshfetch/testing';
import { vectorsFolder } from './retry-vectors.ts';

type Pairs = readonly (readonly [name: string, value: string])[];

interface RouteVector {
  /** Which of the tables. */
  readonly table: number;
  readonly req: { readonly method: string; readonly host: string; readonly path: string; readonly headers: Pairs };
  readonly expect: {
    readonly status: number;
    readonly body?: string;
    readonly location?: string;
    /** What the endpoint saw, when it was asked. Of the headers only those that requests and routes of the vectors have. */
    readonly route?: string;
    readonly up_path?: string;
    readonly up_host?: string;
    readonly up_headers?: Pairs;
  };
}

interface RouteVectors {
  readonly tables: readonly object[];
  readonly cases: readonly RouteVector[];
}

/** Headers that the vectors tell. */
const toldHeaders: ReadonlySet<string> = new Set(['x-env', 'x-version', 'x-user', 'x-added', 'accept', 'cookie']);

function answerOf(result: RouteResult, { expect }: RouteVector): RouteVector['expect'] {
  if (result.kind === 'forward' && expect.up_path !== undefined) {
    return {
      status: 200,
      ...(result.route !== undefined && { route: result.route }),
      up_path: result.path,
      ...(result.host !== undefined && { up_host: result.host }),
      up_headers: result.headers.filter(([name]) => toldHeaders.has(name)),
    };
  }
  return {
    status: result.status ?? 200,
    ...(result.location !== undefined && { location: result.location }),
    body: result.body ?? '',
  };
}

const files =
  vectorsFolder === undefined
    ? []
    : readdirSync(join(vectorsFolder, 'open'))
        .filter((file) => /^routes-\d+\.json$/.test(file))
        .map((file) => join(vectorsFolder!, 'open', file));

describe(
  'routes as Envoy 1.40 takes them',
  { skip: files.length === 0 && 'MESHFETCH_VECTORS names no folder with routes' },
  () => {
    for (const file of files) {
      it(`in every case of ${file.slice(file.lastIndexOf('/') + 1)}`, () => {
        const { tables, cases } = JSON.parse(readFileSync(file, 'utf8')) as RouteVectors;
        const compiled = tables.map((table) => compileEnvoy(table));
        assert.deepEqual(
          compiled.flatMap(({ problems }) => problems),
          [],
          'every field of the tables is carried out',
        );
        const differences = cases.flatMap((vector) => {
          const answer = answerOf(route(compiled[vector.table]!, vector.req), vector);
          return JSON.stringify(sorted(answer)) === JSON.stringify(sorted(vector.expect)) ? [] : [{ vector, answer }];
        });
        assert.ok(cases.length >= 1000);
        assert.deepEqual(differences.slice(0, 5), [], `${differences.length} of ${cases.length} cases differ`);
      });
    }
  },
);

function sorted(answer: object): object {
  return Object.fromEntries(Object.entries(answer).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
