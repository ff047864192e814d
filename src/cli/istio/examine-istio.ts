import { nearestName } from '../../base/nearest-name.ts';
import { pathStep, type FieldFinding, type ResourceReport } from '../field-report.ts';
import { fieldTreeFrom, type FieldTree } from './field-tree.ts';
import { istioFields } from './istio-fields.ts';
import { verdicts, type Verdict } from './verdicts.ts';

/** Whether the document is a resource of Kubernetes. */
export function isKubernetesResource(document: object): boolean {
  return 'apiVersion' in document && 'kind' in document;
}

/** The resources in a document: it itself, or those of a `List`. */
export function listedResources(document: object): readonly object[] {
  const { kind, items } = document as { readonly kind?: unknown; readonly items?: unknown };
  const isList = typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items);
  return isList ? items.filter((item): item is object => typeof item === 'object' && item !== null) : [document];
}

/** What of a resource of Istio is carried out. Fields that Istio does not have are refused: a misspelt one would be lost in silence. */
export function examineIstio(resource: object): ResourceReport {
  const { apiVersion, kind, metadata, spec } = resource as Readonly<Record<string, unknown>>;
  const { name, namespace } = isMapping(metadata) ? metadata : {};
  const report = {
    type: typeof kind === 'string' ? kind : 'resource',
    name: [namespace, name].filter((part) => typeof part === 'string').join('/'),
  };
  const notation = typeof kind === 'string' && Object.hasOwn(istioFields, kind) ? istioFields[kind]! : undefined;
  const fault = versionFault(String(apiVersion), String(kind), notation);
  if (notation === undefined || fault !== undefined)
    return { ...report, carriedOut: [], withoutEffect: [], refused: [{ path: '', reason: fault ?? 'is not known here' }] };
  const tree = fieldTreeFrom(notation.slice(notation.indexOf('{')));
  const walk = new Walk(verdicts[report.type] ?? []);
  for (const key of Object.keys(resource)) {
    if (['apiVersion', 'kind', 'metadata', 'spec', 'status'].includes(key)) continue;
    const near = nearestName(key, ['metadata', 'spec']);
    walk.refused.push({ path: key, reason: `is no field of a resource${near === undefined ? '' : `; did you mean ${near}?`}` });
  }
  if (spec !== undefined && spec !== null) walk.visit(spec, tree, 'spec', '');
  return { ...report, carriedOut: walk.carriedOut, withoutEffect: walk.withoutEffect, refused: walk.refused };
}

function versionFault(apiVersion: string, kind: string, notation: string | undefined): string | undefined {
  const [group = '', version = ''] = apiVersion.split('/');
  if (notation === undefined) {
    if (!group.endsWith('istio.io')) return `a ${kind} of ${apiVersion} is not checked by this version; resources of Istio are`;
    const near = nearestName(kind, Object.keys(istioFields));
    return `Istio has no ${kind}${near === undefined ? '' : `; did you mean ${near}?`}`;
  }
  const [ownGroup, ...rest] = notation.slice(0, notation.indexOf(' {')).split(' ');
  if (group !== ownGroup) return `a ${kind} is in the group ${ownGroup}, not in ${group}`;
  return rest.includes(version) ? undefined : `a ${kind} has no version ${version}; it has ${rest.join(', ')}`;
}

class Walk {
  readonly carriedOut: string[] = [];
  readonly withoutEffect: FieldFinding[] = [];
  readonly refused: FieldFinding[] = [];
  private readonly verdicts: readonly Verdict[];

  constructor(list: readonly Verdict[]) {
    this.verdicts = list;
  }

  /** `path` is where the value stands, `pattern` the same without indices and keys. */
  visit(value: unknown, tree: FieldTree, path: string, pattern: string): void {
    const verdict = this.verdicts.find((each) => each.path === pattern && holds(each, value));
    if (verdict !== undefined) this.withoutEffect.push({ path, reason: verdict.reason });
    // Below a field without effect only mistakes are looked for.
    const below = verdict === undefined ? this : new Walk([]);
    below.descend(value, tree, path, pattern);
    if (below !== this) this.refused.push(...below.refused);
  }

  private descend(value: unknown, tree: FieldTree, path: string, pattern: string): void {
    if (tree.kind === 'value' || tree.kind === 'anything') {
      if (tree.kind === 'value' && typeof value === 'object' && value !== null)
        this.refused.push({ path, reason: `must be a value, not ${Array.isArray(value) ? 'a list' : 'an object'}` });
      else this.carriedOut.push(path);
    } else if (tree.kind === 'list') {
      if (!Array.isArray(value)) this.refused.push({ path, reason: 'must be a list' });
      else for (const [index, element] of value.entries()) this.visit(element, tree.of, `${path}[${index}]`, `${pattern}[]`);
    } else if (!isMapping(value)) {
      this.refused.push({ path, reason: 'must be an object' });
    } else if (tree.kind === 'map') {
      for (const [key, element] of Object.entries(value)) this.visit(element, tree.of, `${path}${pathStep(key)}`, `${pattern}<>`);
    } else {
      if (Object.keys(value).length === 0) this.carriedOut.push(path);
      for (const [key, element] of Object.entries(value)) {
        const field = tree.fields.get(key);
        const at = `${path}${pathStep(key)}`;
        if (field !== undefined) this.visit(element, field, at, pattern === '' ? key : `${pattern}.${key}`);
        else this.refused.push({ path: at, reason: unknownReason(key, [...tree.fields.keys()]) });
      }
    }
  }
}

function unknownReason(key: string, known: readonly string[]): string {
  const near = nearestName(key, known);
  return `Istio has no such field${near === undefined ? '' : `; did you mean ${near}?`}`;
}

function holds({ when }: Verdict, value: unknown): boolean {
  if (when === undefined) return true;
  return when.some((each) => (each.startsWith('!') ? String(value) !== each.slice(1) : String(value) === each));
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
