/**
 * Which endpoint Envoy 1.40 gave generated requests by ring-hash and maglev: both hash functions, several sizes, weights, weighted
 * localities, chains of hash policies. Clusters go through `pick` of meshfetch/testing, which translates them and balances as a mesh
 * does; requests through the translated and compiled hash policies. The folder is named by MESHFETCH_VECTORS.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { seededRandom } from '../../src/base/runtime.ts';
import { translateRouteConfiguration } from '../../src/control-plane/xds/translate/route-configuration.ts';
import { requestHasherOf, type RequestHasher } from '../../src/data-plane/routing/request-hash.ts';
import { pick } from '../../src/testing/pick.ts';

interface HashSpec {
  readonly cluster: { readonly name: string };
  readonly hash_policy: readonly object[];
}

interface HashVector {
  readonly spec: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly path: string;
  readonly endpoint: string;
}

interface HashVectors {
  readonly specs: readonly HashSpec[];
  readonly cases: readonly HashVector[];
}

const folder = process.env['MESHFETCH_VECTORS'];
const random = seededRandom(1);

function hasherOf(hashPolicy: readonly object[]): RequestHasher {
  const route = { match: { prefix: '/' }, route: { cluster: 'c', hash_policy: hashPolicy } };
  const { value, problems } = translateRouteConfiguration({
    name: 'r',
    virtual_hosts: [{ name: 'v', domains: ['*'], routes: [route] }],
  });
  assert.deepEqual(problems, []);
  const action = value!.virtualHosts[0]!.routes[0]!.action;
  assert.ok(action.kind === 'forward');
  return requestHasherOf(action.hashPolicies!);
}

const files = [1, 2, 3, 4, 5]
  .map((number) => join(folder ?? '', 'open', `hash-${number}.json`))
  .filter((file) => folder && existsSync(file));

describe(
  'hash vectors of Envoy',
  { skip: files.length === 0 && 'MESHFETCH_VECTORS names no folder with open/hash-*.json' },
  async () => {
    for (const file of files) {
      const { specs, cases } = JSON.parse(await readFile(file, 'utf8')) as HashVectors;
      for (const [index, spec] of specs.entries()) {
        const ofSpec = cases.filter(({ spec: number }) => number === index);
        it(`${file.split('/').at(-1)} ${spec.cluster.name}: all ${ofSpec.length} requests go to Envoy's endpoint`, () => {
          const hasher = hasherOf(spec.hash_policy);
          const differences = ofSpec.flatMap(({ headers, path, endpoint }) => {
            const hash = hasher({ method: 'GET', path, headers: headers.flat() }, random);
            assert.notEqual(hash, undefined);
            const picked = pick(spec.cluster, { hash: hash! }).endpoint;
            return picked === endpoint ? [] : [`${path} ${JSON.stringify(headers)}: ${picked}, Envoy ${endpoint}`];
          });
          assert.deepEqual(differences, []);
        });
      }
    }
  },
);
