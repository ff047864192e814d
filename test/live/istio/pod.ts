import { join } from 'node:path';
import { createCertificate } from '../../../src/control-plane/istio/ca-client.ts';
import type { Surroundings } from '../../../src/control-plane/istio/environment.ts';
import { podPaths } from '../../../src/control-plane/istio/pod-files.ts';
import { createCertificateRequest } from '../../../src/security/certificate-request.ts';
import type { IssuedCertificate } from '../../../src/security/certificate-authority.ts';
import type { Istiod } from './istiod.ts';

/** What a process finds in a pod whose files are in this folder: no sidecar, and no variable but where istiod is. */
export function surroundingsOf(root: string, istiod: Istiod): Surroundings {
  return {
    variables: { PROXY_CONFIG: JSON.stringify({ discoveryAddress: istiod.address }), ISTIO_META_CLUSTER_ID: 'Kubernetes' },
    root,
    hostname: () => 'web-1',
    // From the block for documentation: nobody dials it, and it is no endpoint of any service.
    addresses: () => ['192.0.2.9'],
    // Ports of nobody.
    residentPorts: { admin: 1, health: 1, tunnel: 1 },
  };
}

/** The root certificate of istiod in a pod. */
export const rootCertificateIn = (root: string): string => join(root, podPaths.rootCertificate);

/** A certificate of istiod's CA for a service account: what the sidecar of a peer has. */
export async function certificateOf(istiod: Istiod, namespace: string, serviceAccount: string): Promise<IssuedCertificate> {
  const root = await istiod.podFolder({ namespace, serviceAccount });
  const { pem, privateKey } = await createCertificateRequest({ uris: [] });
  const { certificateChain } = await createCertificate(
    {
      address: istiod.address,
      serverName: 'istiod.istio-system.svc',
      rootCertificateFile: rootCertificateIn(root),
      tokenFile: join(root, podPaths.token),
      clusterId: 'Kubernetes',
      signer: undefined,
    },
    { csr: pem, validitySeconds: 3600, current: undefined, signal: AbortSignal.timeout(10_000) },
  );
  return { certificateChain, privateKey };
}
