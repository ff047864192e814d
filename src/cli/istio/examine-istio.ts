import { nearestName } from '../../base/nearest-name.ts';
import { pathStep, type FieldFinding, type ResourceReport } from '../field-report.ts';
import { destinationFindings, type DestinationRules } from './destinations.ts';
import { fieldTreeFrom, type FieldTree } from './field-tree.ts';
import { istioFields } from './istio-fields.ts';
import { boundsFault, valueFault } from './value-fault.ts';
import { verdicts, type Verdict } from './verdicts.ts';
import { partsFaults, webhookFault } from './webhook-rules.ts';

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

/**
 * What of a resource of Istio is carried out. Refused is what Istio refuses: fields that it does not have (a misspelt one would be lost in
 * silence), values of another type, subsets that are not among `rules`. The pattern engine has to be loaded.
 */
export function examineIstio(resource: object, rules: DestinationRules): ResourceReport {
  const { apiVersion, kind, metadata, spec } = resource as Readonly<Record<string, unknown>>;
  const { name, namespace } = isMapping(metadata) ? metadata : {};
  const report = {
    type: typeof kind === 'string' ? kind : 'resource',
    name: [namespace, name].filter((part) => typeof part === 'string').join('/'),
  };
  const notation = typeof kind === 'string' && Object.hasOwn(istioFields, kind) ? istioFields[kind]! : undefined;
  const fault = versionFault(textOf(apiVersion), textOf(kind), notation);
  if (notation === undefined || fault !== undefined)
    return {
      ...report,
      carriedOut: [],
      withoutEffect: [],
      notes: [],
      warnings: [],
      refused: [{ path: '', reason: fault ?? 'is not known here' }],
    };
  const tree = fieldTreeFrom(notation.slice(notation.indexOf('{')));
  const walk = new Walk(report.type, verdicts[report.type] ?? []);
  for (const key of Object.keys(resource)) {
    if (['apiVersion', 'kind', 'metadata', 'spec', 'status'].includes(key)) continue;
    const near = nearestName(key, ['metadata', 'spec']);
    walk.refused.push({ path: key, reason: `is no field of a resource${near === undefined ? '' : `; did you mean ${near}?`}` });
  }
  walk.visit(spec ?? {}, tree, 'spec', '');
  const destinations = destinationFindings(resource, rules);
  const refused = [...walk.refused, ...partsFaults(report.type, spec), ...destinations.refused];
  const isRefused = new Set(refused.map(({ path }) => path));
  return {
    ...report,
    carriedOut: walk.carriedOut.filter((path) => !isRefused.has(path)),
    withoutEffect: walk.withoutEffect,
    notes: walk.notes,
    refused,
    warnings: destinations.warnings,
  };
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
  readonly notes: FieldFinding[] = [];
  private readonly kind: string;
  private readonly verdicts: readonly Verdict[];

  constructor(kind: string, list: readonly Verdict[]) {
    this.kind = kind;
    this.verdicts = list;
  }

  /** `path` is where the value stands, `pattern` the same without indices and keys. */
  visit(value: unknown, tree: FieldTree, path: string, pattern: string): void {
    const verdict = this.verdicts.find((each) => each.path === pattern && holds(each, value));
    if (verdict?.effect === 'works') this.notes.push({ path, reason: verdict.reason });
    else if (verdict?.effect === 'fails') this.refuse(path, verdict.reason);
    else if (verdict !== undefined) this.withoutEffect.push({ path, reason: verdict.reason });
    // Below a field without effect only mistakes are looked for.
    const below = verdict === undefined || verdict.effect === 'works' ? this : new Walk(this.kind, []);
    below.descend(value, tree, path, pattern);
    if (below !== this) this.refused.push(...below.refused);
  }

  private descend(value: unknown, tree: FieldTree, path: string, pattern: string): void {
    switch (tree.kind) {
      case 'anything':
        this.carriedOut.push(path);
        break;
      case 'value': {
        const isNull = value === null && tree.isNullable;
        this.judge(path, isNull ? undefined : (valueFault(value, tree.type) ?? webhookFault(this.kind, pattern, value)));
        break;
      }
      case 'list':
        if (!Array.isArray(value)) {
          this.refuse(path, 'must be a list');
          break;
        }
        this.refuse(
          path,
          boundsFault(value.length, tree.length, (bounds) => `must have ${bounds} elements, not ${value.length}`),
        );
        for (const [index, element] of value.entries()) this.visit(element, tree.of, `${path}[${index}]`, `${pattern}[]`);
        break;
      default:
        if (!isMapping(value)) this.refuse(path, 'must be an object');
        else if (tree.kind === 'object') this.fieldsOf(value, tree, path, pattern);
        else
          for (const [key, element] of Object.entries(value))
            this.visit(element, tree.of, `${path}${pathStep(key)}`, `${pattern}<>`);
    }
  }

  private fieldsOf(
    value: Readonly<Record<string, unknown>>,
    { fields, required, oneOf }: Extract<FieldTree, { kind: 'object' }>,
    path: string,
    pattern: string,
  ): void {
    if (Object.keys(value).length === 0 && path !== 'spec') this.carriedOut.push(path);
    for (const name of required) if (!Object.hasOwn(value, name)) this.refuse(path, `has no ${name}, which has to be there`);
    for (const names of oneOf) {
      const there = names.filter((name) => Object.hasOwn(value, name));
      if (there.length > 1) this.refuse(path, `has ${there.join(' and ')}, of which one may be there`);
    }
    for (const [key, element] of Object.entries(value)) {
      const field = fields.get(key);
      const at = `${path}${pathStep(key)}`;
      if (field !== undefined) this.visit(element, field, at, pattern === '' ? key : `${pattern}.${key}`);
      else this.refuse(at, unknownReason(key, [...fields.keys()]));
    }
  }

  private judge(path: string, fault: string | undefined): void {
    if (fault === undefined) this.carriedOut.push(path);
    else this.refuse(path, fault);
  }

  private refuse(path: string, reason: string | undefined): void {
    if (reason !== undefined) this.refused.push({ path, reason });
  }
}

function unknownReason(key: string, known: readonly string[]): string {
  const near = nearestName(key, known);
  return `Istio has no such field${near === undefined ? '' : `; did you mean ${near}?`}`;
}

function holds({ when }: Verdict, value: unknown): boolean {
  if (when === undefined) return true;
  const text = textOf(value);
  return when.some((each) => (each.startsWith('!') ? text !== each.slice(1) : text === each));
}

/** A value as a text. Objects of a file have no method that would make one. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing');
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
