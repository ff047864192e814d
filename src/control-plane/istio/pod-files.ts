/**
 * The files by which Kubernetes and Istio tell a container who it is: the projected token, the root of the control plane, the labels
 * and annotations of the pod (downward API). All of them may be missing; whoever needs one says so.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Where they are in a pod, from the root of its file system. Source: Istio's injection template and `pkg/config/constants`. */
export const podPaths = {
  rootCertificate: 'var/run/secrets/istio/root-cert.pem',
  token: 'var/run/secrets/tokens/istio-token',
  /** The token of the service account, for `JWT_POLICY=first-party-jwt`. */
  firstPartyToken: 'var/run/secrets/kubernetes.io/serviceaccount/token',
  labels: 'etc/istio/pod/labels',
  annotations: 'etc/istio/pod/annotations',
  namespace: 'var/run/secrets/kubernetes.io/serviceaccount/namespace',
} as const;

/** What the files of a pod say. */
export interface PodFiles {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly namespace: string | undefined;
}

/** Reads what is there; `root` is `/` in a pod. */
export async function readPodFiles(root: string): Promise<PodFiles> {
  const [labels, annotations, namespace] = await Promise.all(
    [podPaths.labels, podPaths.annotations, podPaths.namespace].map((path) => textOf(join(root, path))),
  );
  return {
    labels: parseDownwardMap(labels ?? ''),
    annotations: parseDownwardMap(annotations ?? ''),
    namespace: namespace?.trim() || undefined,
  };
}

/** A text file; undefined where it cannot be read. */
export async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** Reads lines of `key="value"`, the value quoted as Go does (`%q`): labels or annotations of a downward API volume. */
function parseDownwardMap(text: string): Record<string, string> {
  const map: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const at = line.indexOf('=');
    const quoted = /^"(.*)"$/s.exec(line.slice(at + 1).trim())?.[1];
    if (at > 0 && quoted !== undefined) map[line.slice(0, at)] = unquoted(quoted);
  }
  return map;
}

const escapes: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

function unquoted(text: string): string {
  return text.replace(
    /\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))/gi,
    (_all, byte?: string, short?: string, long?: string, letter?: string) => {
      const hex = byte ?? short ?? long;
      if (hex !== undefined) return String.fromCodePoint(Math.min(Number.parseInt(hex, 16), 0x10_ff_ff));
      return escapes[letter!] ?? letter!;
    },
  );
}
