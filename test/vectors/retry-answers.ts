import { request } from 'undici';
import { createMesh, isMeshError, type Mesh } from 'meshfetch';
import { envoyPlane } from '../support/envoy-plane.ts';
import { hostOf, retryResources, type RetryAnswer, type RetryVector, type RetryVectors } from './retry-vectors.ts';
import { ScriptedUpstream } from './scripted-upstream.ts';

/** A case in which the mesh does not do as Envoy does. */
export interface RetryDifference {
  readonly id: string;
  readonly asked: string;
  readonly meshfetch: RetryAnswer;
  readonly envoy: RetryAnswer;
}

/** Requests at a time. */
const concurrency = 24;

/**
 * Where the mesh answers otherwise than Envoy did: real requests on loopback. What differs is asked once more, alone: a machine that
 * stands still for 300 ms lets a per-try timeout pass.
 */
export async function differencesFromEnvoy({ policies, cases }: RetryVectors): Promise<readonly RetryDifference[]> {
  const once = await differing({ policies, cases }, concurrency);
  if (once.length === 0) return once;
  const again = new Set(once.map(({ id }) => id));
  return differing({ policies, cases: cases.filter(({ id }) => again.has(id)) }, 1);
}

async function differing(vectors: RetryVectors, atATime: number): Promise<readonly RetryDifference[]> {
  const answers = await answersOf(vectors, atATime);
  return vectors.cases
    .map(({ id, policy, method, body, script, status, complete, attempts }) => ({
      id,
      asked: `${method} with ${body} bytes, ${script.join(' ')}, under ${JSON.stringify(vectors.policies[policy])}`,
      meshfetch: answers.get(id)!,
      envoy: { status, complete, attempts },
    }))
    .filter(({ meshfetch, envoy }) => JSON.stringify(meshfetch) !== JSON.stringify(envoy));
}

async function answersOf(vectors: RetryVectors, atATime: number): Promise<Map<string, RetryAnswer>> {
  const upstream = new ScriptedUpstream();
  await upstream.start();
  const { routes, clusters } = retryResources(vectors, upstream.port);
  const mesh = await createMesh({ controlPlane: envoyPlane([routes, ...clusters]), unknownHosts: 'refuse', drainTimeoutMs: 0 });
  const answers = new Map<string, RetryAnswer>();
  const left = [...vectors.cases];
  const worker = async (): Promise<void> => {
    for (let vector = left.pop(); vector !== undefined; vector = left.pop()) {
      upstream.script(vector.id, vector.script);
      const { status, complete } = await ask(mesh, vector);
      answers.set(vector.id, { status, complete, attempts: upstream.attempts(vector.id) });
    }
  };
  try {
    await Promise.all(Array.from({ length: atATime }, worker));
  } finally {
    await mesh.close();
    await upstream.stop();
  }
  return answers;
}

async function ask(mesh: Mesh, { id, method, body }: RetryVector): Promise<Omit<RetryAnswer, 'attempts'>> {
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
