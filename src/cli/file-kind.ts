/** What a file holds, told by its content: a mesh.yaml, resources of Envoy, or resources of Istio. */
import { documentsOf, parsedDocument, parseResources } from '../control-plane/xds/parse-resources.ts';
import { isEnvoyResource } from '../control-plane/xds/translate/resources.ts';
import { isKubernetesResource, listedResources } from './istio/examine-istio.ts';

/** The documents of a file, sorted by what they are. */
export type FileContent =
  | { readonly kind: 'mesh' }
  | { readonly kind: 'envoy' | 'istio'; readonly resources: readonly object[] }
  /** Meant for Envoy or Istio, and not readable. */
  | { readonly kind: 'broken'; readonly reason: string };

/** Looks into a text. What is nothing else is a mesh.yaml, whose own checks say what is wrong with it. */
export function fileContent(text: string): FileContent {
  let documents: readonly object[];
  try {
    documents = documentsOf(text).map(parsedDocument);
  } catch (error) {
    const isMeant =
      /^\s*["']?(apiVersion|static_resources|staticResources|virtual_hosts|virtualHosts|filter_chains|filterChains|configs|"?@type)["']?\s*:/m;
    return isMeant.test(text) ? { kind: 'broken', reason: (error as Error).message } : { kind: 'mesh' };
  }
  const flat = documents.flatMap((document): readonly object[] =>
    Array.isArray(document) ? (document as object[]) : [document],
  );
  if (flat.length > 0 && flat.every((document) => isKubernetesResource(document)))
    return { kind: 'istio', resources: flat.flatMap(listedResources) };
  if (Array.isArray(documents[0]) || flat.some(isOfEnvoy)) return { kind: 'envoy', resources: parseResources(documents) };
  return { kind: 'mesh' };
}

function isOfEnvoy(document: object): boolean {
  const { resources, configs } = document as { readonly resources?: unknown; readonly configs?: unknown };
  return Array.isArray(resources) || Array.isArray(configs) || isEnvoyResource(document);
}
