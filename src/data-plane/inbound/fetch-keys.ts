/** Fetches the keys of an issuer: over a cluster of the mesh where the policy names one, else from the host of the URL as any program would. */
import { request, type Dispatcher } from 'undici';
import type { FetchKeys } from '../../security/jwt/remote-keys.ts';

/** How keys are fetched that a source names; `toCluster` is the way to one of its clusters. */
export function createFetchKeys(toCluster: (cluster: string) => Dispatcher): FetchKeys {
  const dispatchers = new Map<string, Dispatcher>();
  return async ({ url, cluster, maxBodyBytes }, signal) => {
    let dispatcher: Dispatcher | undefined;
    if (cluster !== undefined) {
      dispatcher = dispatchers.get(cluster);
      if (dispatcher === undefined) dispatchers.set(cluster, (dispatcher = toCluster(cluster)));
    }
    // A redirect is no answer: it could lead anywhere.
    const { statusCode, headers, body } = await request(url, {
      signal,
      headers: { accept: 'application/json' },
      ...(dispatcher !== undefined && { dispatcher }),
    });
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of body) {
      const bytes = chunk as Buffer;
      length += bytes.length;
      if (length > maxBodyBytes) throw new RangeError(`more than ${maxBodyBytes} bytes`);
      chunks.push(bytes);
    }
    const cacheControl = headers['cache-control'];
    return {
      status: statusCode,
      cacheControl: typeof cacheControl === 'object' ? cacheControl.join(',') : cacheControl,
      body: Buffer.concat(chunks),
    };
  };
}
