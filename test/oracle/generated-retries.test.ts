/**
 * Generated retry policies through a real Envoy and through meshfetch: same status, same end of the body, same number of attempts.
 * ORACLE_SEED draws others. `npm run live -- envoy` gets the Envoy.
 */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { describe, it } from 'node:test';
import { startEnvoy } from '../live/envoy/envoy-process.ts';
import { differencesFromEnvoy } from '../vectors/retry-answers.ts';
import { hostOf, retryResources, type RetryAnswer } from '../vectors/retry-vectors.ts';
import { ScriptedUpstream } from '../vectors/scripted-upstream.ts';
import { generateRetries, type RetryQuestion } from './generate-retries.ts';

const binary = process.env['MESHFETCH_LIVE_ENVOY'];
const seed = Number(process.env['ORACLE_SEED'] ?? 1);
/** 30 policies with ten cases each; those that hang take 5 s, beside others. */
const policyCount = 30;
const concurrency = 24;

function askEnvoy(port: number, { id, method, body }: RetryQuestion): Promise<Pick<RetryAnswer, 'status' | 'complete'>> {
  return new Promise((resolve, reject) => {
    const headers = { host: hostOf(id), ...(body > 0 && { 'content-length': body }) };
    const sent = request({ host: '127.0.0.1', port, method, path: `/${id}`, headers }, (response) => {
      response.on('error', () => {}).on('close', () => resolve({ status: response.statusCode!, complete: response.complete }));
      response.resume();
    });
    sent.on('error', reject).end(body > 0 ? 'x'.repeat(body) : undefined);
  });
}

async function answersOfEnvoy(questions: ReturnType<typeof generateRetries>): Promise<Map<string, RetryAnswer>> {
  const upstream = new ScriptedUpstream();
  await upstream.start();
  const { routes, clusters } = retryResources(questions, upstream.port);
  const manager = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'out',
    route_config: withoutType(routes),
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
      },
    ],
  };
  const listener = {
    name: 'out',
    address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    filter_chains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }] }],
  };
  const envoy = await startEnvoy(binary!, { listeners: [listener], clusters: clusters.map(withoutType) });
  const answers = new Map<string, RetryAnswer>();
  const left = [...questions.cases];
  const worker = async (): Promise<void> => {
    for (let question = left.pop(); question !== undefined; question = left.pop()) {
      upstream.script(question.id, question.script);
      const answer = await askEnvoy(envoy.ports.get('out')!, question);
      answers.set(question.id, { ...answer, attempts: upstream.attempts(question.id) });
    }
  };
  try {
    await Promise.all(Array.from({ length: concurrency }, worker));
  } finally {
    await envoy.stop();
    await upstream.stop();
  }
  return answers;
}

function withoutType(resource: object): object {
  return Object.fromEntries(Object.entries(resource).filter(([name]) => name !== '@type'));
}

const skip = binary === undefined && 'MESHFETCH_LIVE_ENVOY is not set; `npm run live -- envoy` gets an Envoy';

describe('generated retry policies through Envoy and through meshfetch', { skip }, () => {
  it(`come to the same ends (seed ${seed})`, async () => {
    const questions = generateRetries(seed, policyCount);
    const theirs = await answersOfEnvoy(questions);
    const cases = questions.cases.map((question) => ({ ...question, ...theirs.get(question.id)! }));
    assert.deepEqual(await differencesFromEnvoy({ policies: questions.policies, cases }), []);
    assert.equal(theirs.size, policyCount * 10);
  });
});
