import { isPatternEngineLoaded, loadPatternEngine } from '../../base/pattern.ts';
import { isHostName } from './address.ts';
import { checkSchema } from './check-schema.ts';
import { inboundProblems } from './check-inbound.ts';
import { serviceProblems } from './check-services.ts';
import { configInvalid, maxProblems, pathText, type FileProblem, type ReportedProblem } from './file-problem.ts';
import type { TextPlace } from './parse-yaml.ts';
import { isMapping, plainFromObject, type PlainValue } from './plain-value.ts';
import type { MeshFile } from './schema.ts';
import { soundServices } from './sound-services.ts';

/**
 * The checked configuration of a YAML (or JSON) text, with all defaults. Rejects with `MESH_CONFIG_INVALID` that lists every mistake
 * with its path and its line in `source`.
 */
export async function parseMeshFile(text: string, source: string): Promise<MeshFile> {
  // An object needs no reader of YAML.
  const { parseYaml } = await import('./parse-yaml.ts');
  const { value, problems, syntax, locate } = parseYaml(text);
  // What the parser makes of the text after its first mistake is a guess, and reads as if more were wrong than is.
  const [first] = syntax;
  if (first !== undefined) {
    const rest = syntax.length === 1 ? '' : `; mend this first, what else the parser found (${syntax.length - 1}) may come of it`;
    throw configInvalid(source, [{ path: '', ...first, reason: `${first.reason}${rest}` }]);
  }
  if (value === null && problems.length === 0) {
    throw configInvalid(source, [
      { path: '', reason: 'it is empty; begin with `services:`, or write `{}` for the defaults alone' },
    ]);
  }
  return await checkedOrThrow(value, problems, source, locate);
}

/** The same for an object. It is copied; later changes of it have no effect. */
export async function checkMeshObject(value: unknown, source: string): Promise<MeshFile> {
  const problems: FileProblem[] = [];
  return await checkedOrThrow(plainFromObject(value, problems), problems, source, () => undefined);
}

async function checkedOrThrow(
  value: PlainValue,
  earlier: readonly FileProblem[],
  source: string,
  locate: (path: FileProblem['path'], atKey: boolean) => TextPlace | undefined,
): Promise<MeshFile> {
  const report = ({ path, reason, atKey = false }: FileProblem): ReportedProblem => ({
    path: pathText(path),
    ...serviceOf(path),
    reason,
    ...locate(path, atKey),
  });
  // Nothing is left to be checked.
  if (earlier.length > 0 && (value === null || earlier.some(({ path }) => path.length === 0)))
    throw configInvalid(source, earlier.slice(0, maxProblems).map(report));
  if (!isPatternEngineLoaded() && hasPattern(value)) await loadPatternEngine();
  const { file, problems } = checkSchema(value);
  const services = isMapping(value) && isMapping(value['services']) ? Object.keys(value['services']) : [];
  const badNames = services.filter((name) => !isHostName(name));
  const all: FileProblem[] = [
    ...earlier,
    ...problems.filter((problem) => !earlier.some((known) => explains(known, problem))),
    ...badNames.map((name) => ({ path: ['services', name], reason: serviceNameReason, atKey: true })),
  ];
  const isUsable =
    isMapping(value) && !all.some(({ path }) => path.length === 0 || (path[0] === 'services' && path.length === 1));
  if (isUsable) {
    const sound = soundServices(file, all);
    all.push(...serviceProblems(file, services, sound).take(Math.max(0, maxProblems - all.length)));
    if (!all.some(({ path }) => path[0] === 'inbound' || path[0] === 'identity'))
      all.push(...inboundProblems(file, new Set(services)).take(Math.max(0, maxProblems - all.length)));
  }
  if (all.length > 0) throw configInvalid(source, all.slice(0, maxProblems).map(report).sort(inOrderOfText));
  return file;
}

/** Whether what could not be read as plain data would be reported a second time. */
function explains({ path, atKey }: FileProblem, { path: other }: FileProblem): boolean {
  const isAround = atKey === true && other.length === path.length - 1;
  return (isAround || other.length >= path.length) && other.every((step, index) => index >= path.length || step === path[index]);
}

/** Whether a `regex` is anywhere in it. */
function hasPattern(value: PlainValue): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return (isMapping(value) && Object.hasOwn(value, 'regex')) || Object.values(value).some(hasPattern);
}

const serviceNameReason =
  'the name of a service is the host of its URLs: letters, digits, `-`, `_` and `.`, without scheme or port; put further forms under `hosts`';

function serviceOf([first, name]: FileProblem['path']): { service?: string } {
  return first === 'services' && typeof name === 'string' ? { service: name } : {};
}

function inOrderOfText(a: ReportedProblem, b: ReportedProblem): number {
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}
