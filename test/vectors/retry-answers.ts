import { request } from 'undici';
import { createMesh, isMeshError, type Mesh } from 'meshfetch';
import { envoyPlane } from '../support/envoy-plane.ts';
import { hostOf, retryResources, type RetryAnswer, type RetryVector, type RetryVectors } from './retry-vectors.ts';
import { ScriptedUpstream } from './scripted-upstream.ts';

/** What is asked, without what came of it. */
type Questions = Pick<RetryVectors, 'policies'> & { readonly cases: readonly Omit<RetryVector, keyof RetryAnswer>[] };

/** What a mesh makes of the cases, by their ids: real requests on loopback, so many at a time. */
export async function retryAnswersOfMesh(questions: Questions, concurrency: number): Promise<Map<string, RetryAnswer>> {
  const upstream = new ScriptedUpstream();
  await upstream.start();
  const { routes, clusters } = retryResources(questions, upstream.port);
  const mesh = await createMesh({ controlPlane: envoyPlane([routes, ...clusters]), unknownHosts: 'refuse', drainTimeoutMs: 0 });
  const answers = new Map<string, RetryAnswer>();
  const left = [...questions.cases];
  const worker = async (): Promise<void> => {
    for (let question = left.pop(); question !== undefined; question = left.pop()) {
      upstream.script(question.id, question.script);
      const { status, complete } = await ask(mesh, question);
      answers.set(question.id, { status, complete, attempts: upstream.attempts(question.id) });
    }
  };
  try {
    await Promise.all(Array.from({ length: concurrency }, worker));
  } finally {
    await mesh.close();
    await upstream.stop();
  }
  return answers;
}

async function ask(mesh: Mesh, { id, method, body }: Questions['cases'][number]): Promise<Omit<RetryAnswer, 'attempts'>> {
  try {
    const response = await request(`http://${hostOf(id)}/${id}`, {
      dispatcher: mesh.dispatcher,
      method: method as 'GET',
      body: body === 0 ? null : 'x'.repeat(body),
    });
    const complete = await response.body.text().then(
      () => true,
      () => false,
    );
    return { status: response.statusCode, complete };
  } catch (error) {
    // The caller of a sidecar would have got this status.
    if (isMeshError(error)) return { status: error.status, complete: true };
    throw error;
  }
}
