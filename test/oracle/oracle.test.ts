/**
 * The same configuration and the same requests through a real Envoy and through meshfetch: same status, flags, attempts, endpoints,
 * path, host and headers. `npm run live -- envoy` gets the Envoy. ORACLE_CASES, a part of a name, runs only such cases.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startEnvoy, type EnvoyProcess } from '../live/envoy/envoy-process.ts';
import { AccessLog, askEnvoy } from './ask-envoy.ts';
import { MeshSide } from './ask-mesh.ts';
import { oracleCases } from './cases/index.ts';
import { compare, tally } from './compare.ts';
import { listenerOf, staticResources } from './envoy-resources.ts';
import { DifferenceList } from './known-differences.ts';
import type { Observation } from './observation.ts';
import { asksOf, type Ask, type OracleCase } from './oracle-case.ts';
import { runAsk } from './run-asks.ts';
import { Upstreams } from './upstreams.ts';

const binary = process.env['MESHFETCH_LIVE_ENVOY'];
const wanted = process.env['ORACLE_CASES'] ?? '';
const cases = oracleCases.filter(({ name }) => name.includes(wanted));
const upstreams = new Upstreams();
const accessLog = new AccessLog();
const differences = new DifferenceList();
let envoy: EnvoyProcess;

/** Most cases wait for something; more at a time, and the waits are no longer what is compared. */
const concurrency = 4;

const skip = binary === undefined && 'MESHFETCH_LIVE_ENVOY is not set; `npm run live -- envoy` gets an Envoy';

describe('the same request through Envoy and through meshfetch', { skip, concurrency }, () => {
  before(async () => {
    await upstreams.start();
    const resources = staticResources(cases, (name) => upstreams.port(name));
    envoy = await startEnvoy(binary!, resources, (line) => accessLog.add(line));
  });
  after(async () => {
    await envoy?.stop();
    await upstreams.stop();
  });

  for (const oracleCase of cases) it(oracleCase.name, () => runCase(oracleCase));
});

describe('the list of differences', { skip }, () => {
  it('has none that no longer occurs', () => {
    const unseen = differences.unseen(cases.map(({ name }) => name));
    assert.deepEqual(unseen, [], 'listed in differences.ts, and both sides do the same: take them out');
  });

  it('tells the cases apart by their names', () => {
    const names = oracleCases.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    assert.ok(names.length >= 150, `only ${names.length} cases`);
  });
});

/** A busy machine makes timers late, once; what differs differs again. */
async function runCase(oracleCase: OracleCase): Promise<void> {
  let unexpected = await differencesIn(oracleCase, '');
  if (unexpected.length > 0 && oracleCase.leavesTraces !== true) unexpected = await differencesIn(oracleCase, '-again');
  assert.equal(unexpected.length, 0, `\n${unexpected.join('\n')}`);
}

async function differencesIn(oracleCase: OracleCase, suffix: string): Promise<readonly string[]> {
  const mesh = await MeshSide.start(oracleCase, upstreams);
  const unexpected: string[] = [];
  try {
    for (const [index, ask] of asksOf(oracleCase).entries()) {
      mesh.beginAsk();
      const [ofEnvoy, ofMesh] = await Promise.all([
        runAsk(oracleCase, ask, {
          side: `envoy${suffix}`,
          index,
          upstreams,
          send: (request) => askEnvoy(envoy, listenerOf(oracleCase), accessLog, upstreams, request),
        }),
        runAsk(oracleCase, ask, { side: `meshfetch${suffix}`, index, upstreams, send: (request) => mesh.ask(request) }),
      ]);
      unexpected.push(...misunderstood(oracleCase, index, ask, ofEnvoy));
      for (const { aspect, envoy: expected, meshfetch: found } of compare(ask, ofEnvoy, ofMesh)) {
        const where = `${oracleCase.name}#${index}: ${aspect}`;
        if (differences.find(where) !== undefined) continue;
        unexpected.push(
          `${where}: Envoy ${expected}, meshfetch ${found}\n    ${tally(ofEnvoy.map(describeOne))}\n    ${tally(ofMesh.map(describeOne))}`,
        );
      }
    }
  } finally {
    await mesh.stop();
  }
  return unexpected;
}

/** The case expected something else of Envoy: then it does not test what it says. */
function misunderstood(oracleCase: OracleCase, index: number, ask: Ask, observed: readonly Observation[]): string[] {
  const one = observed[0]!;
  const found = `${one.status} ${one.flags} ${one.arrivals.length}`;
  if (ask.envoy === undefined || ask.envoy === found) return [];
  return [`${oracleCase.name}#${index}: the case says that Envoy answers ${ask.envoy}, and it answered ${found}`];
}

function describeOne({ status, flags, arrivals, details }: Observation): string {
  return `${status} ${flags} at ${arrivals.map(({ endpoint }) => endpoint).join(', ') || 'no endpoint'} (${details})`;
}
