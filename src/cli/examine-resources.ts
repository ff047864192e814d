/** What of the resources of Envoy in a file is carried out. */
import { loadPatternEngine } from '../base/pattern.ts';
import { examineEnvoy } from '../admin/examine-envoy.ts';
import type { ResourceReading } from '../control-plane/xds/translate/resources.ts';
import type { Problem } from '../model/contracts.ts';
import { pathStep, type FieldFinding, type ResourceReport } from './field-report.ts';
import { knownFields } from './unknown-fields.ts';
import { isFailure, isFailureInModel } from './what-fails.ts';

const kinds: Readonly<Record<string, string>> = {
  'route-table': 'RouteConfiguration',
  cluster: 'Cluster',
  endpoints: 'ClusterLoadAssignment',
  listener: 'Listener',
};

/** Reports on resources of Envoy. What a mesh makes of them is looked at too: what it refuses, and what it leaves out. */
export async function examineResources(list: readonly object[]): Promise<readonly ResourceReport[]> {
  await loadPatternEngine();
  const { readings, refused, withoutEffect } = examineEnvoy(list);
  const left = { refused: [...refused], withoutEffect: [...withoutEffect] };
  const root = list.length === 1 ? list[0] : list;
  return readings
    .map((reading) => reportOf(reading, root, left))
    .filter(({ type, withoutEffect, refused: faults }) => type !== 'Bootstrap' || withoutEffect.length + faults.length > 0);
}

function reportOf(
  reading: ResourceReading,
  root: unknown,
  left: { refused: Problem[]; withoutEffect: Problem[] },
): ResourceReport {
  const { type, name, path } = reading;
  const own = (list: readonly { readonly path: string; readonly reason: string }[]): FieldFinding[] =>
    list.map((finding) => ({ path: relative(finding.path, path), reason: finding.reason }));
  const later = (list: readonly Problem[]): FieldFinding[] =>
    unique(list.filter(({ key }) => kinds[key.kind] === type && (key.name === name || key.name.startsWith(`${name}/`)))).map(
      (problem) => ({ path: inModel(problem.path), reason: problem.reason }),
    );
  const resource = valueAt(root, path);
  const { unknown, known } = knownFields(type, resource);
  const isUnknown = new Set(unknown.map((finding) => finding.path));
  const refusals = [...unknown, ...own(reading.problems), ...later(left.refused)];
  const notCarried = later(left.withoutEffect);
  const unread = own(reading.unhonoured)
    .filter(({ path: at }) => !isUnknown.has(at))
    .map((finding) => (finding.reason === nobodyRead && known.has(finding.path) ? { ...finding, reason: noEffect } : finding));
  const failing = unread.filter(({ reason }) => isFailure(reason));
  const failingInModel = notCarried.filter(({ path: at }) => isFailureInModel(at));
  // What the translation has said with its place, the data plane says once more of what became of it.
  const failures = failing.length > 0 ? failing : onceEach(failingInModel);
  const withoutEffect = [
    ...unread.filter((finding) => !failing.includes(finding)),
    ...onceEach(notCarried.filter((finding) => !failingInModel.includes(finding))),
  ];
  const refused = [...refusals, ...failures];
  const without = [...refused, ...withoutEffect].map((finding) => finding.path);
  const leaves = type === 'Bootstrap' ? [] : leafPaths(resource, '');
  return {
    type,
    name,
    carriedOut:
      refusals.length > 0 ? [] : leaves.filter((leaf) => !without.some((at) => at === '' || leaf === at || isBelow(leaf, at))),
    withoutEffect,
    refused,
    notes: [],
    warnings: [],
  };
}

/** What the translation says of fields that nobody asked for, and what is known besides when Envoy has the field. */
const nobodyRead = 'is not carried out: unknown, or without effect here';
const noEffect = 'is not carried out: it has no effect here';

/** One row for all places of which the same is said. */
function onceEach(findings: readonly FieldFinding[]): readonly FieldFinding[] {
  const byReason = Map.groupBy(findings, ({ path, reason }) => `${path.replaceAll(/\[\d+\]/g, '[]')}\n${reason}`);
  return [...byReason.values()].map(([first, ...others]) =>
    others.length === 0 ? first! : { ...first!, reason: `${first!.reason} (and in ${others.length} more places)` },
  );
}

/** A finding about the model's resource as a whole is one about the resource. */
function inModel(path: string): string {
  if (path === '') return '';
  return path.startsWith('(as meshfetch has it)') ? path : `(as meshfetch has it) ${path}`;
}

function unique(list: readonly Problem[]): readonly Problem[] {
  return [...new Map(list.map((problem) => [`${problem.path}\n${problem.reason}`, problem])).values()];
}

function isBelow(leaf: string, at: string): boolean {
  return leaf.startsWith(at) && /^[.[]/.test(leaf.slice(at.length));
}

function relative(path: string, base: string): string {
  if (base !== '' && path.startsWith(base)) return path.slice(base.length).replace(/^\./, '');
  return path;
}

/** The places of the values that are no lists and no objects, and of empty ones. */
function leafPaths(value: unknown, path: string): readonly string[] {
  if (typeof value !== 'object' || value === null) return path === '' || isDecoration(path) ? [] : [path];
  const entries = Array.isArray(value)
    ? value.map((element: unknown, index) => [`[${index}]`, element] as const)
    : Object.entries(value).map(([key, element]) => [pathStep(key), element as unknown] as const);
  if (entries.length === 0) return path === '' ? [] : [path];
  return entries.flatMap(([step, element]) => leafPaths(element, `${path}${step}`.replace(/^\./, '')));
}

/** The type of a message is no field of it. */
function isDecoration(path: string): boolean {
  return path.endsWith('["@type"]');
}

function valueAt(root: unknown, path: string): unknown {
  let value = root;
  for (const [, name, index, quoted] of path.matchAll(/\.?([\w-]+)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]/g)) {
    const key = name ?? index ?? (JSON.parse(quoted!) as string);
    value = typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[key] : undefined;
  }
  return value;
}
