/** Runs the schema over a plain value and words what it found. */
import * as v from 'valibot';
import { suggestion } from '../../base/nearest-name.ts';
import { schemaNode, structureProblems } from './check-structure.ts';
import { maxProblems, shown, type FilePath, type FileProblem } from './file-problem.ts';
import { isMapping, type PlainValue } from './plain-value.ts';
import { meshFile, type MeshFile } from './schema.ts';

/** A file with its defaults, and what is wrong with it. */
export interface SchemaCheck {
  /** The file with all defaults; below the path of a problem it may be anything. */
  readonly file: MeshFile;
  readonly problems: readonly FileProblem[];
}

/** Checks `value` against the schema and fills in the defaults. Ends at `maxProblems`. */
export function checkSchema(value: PlainValue): SchemaCheck {
  const structure = structureProblems(schemaNode(meshFile), value).take(maxProblems).toArray();
  const result = v.safeParse(meshFile, value);
  const problems = new Map<string, FileProblem>();
  // Of several problems with one value the first is the plainest: a text that is no number is also not within its bounds.
  const add = (problem: FileProblem): void => {
    const key = JSON.stringify(problem.path);
    if (!problems.has(key)) problems.set(key, problem);
  };
  structure.forEach(add);
  for (const issue of result.issues ?? []) {
    if (problems.size >= maxProblems) break;
    for (const problem of problemsFromIssue(issue, []))
      if (!structure.some((known) => isWithin(problem.path, known))) add(problem);
  }
  return { file: result.output as MeshFile, problems: [...problems.values()] };
}

/** Whether a structure problem explains what was found at `path`. An unknown key explains only itself. */
function isWithin(path: FilePath, { path: outer, atKey }: FileProblem): boolean {
  return (atKey !== true || path.length === outer.length) && outer.every((step, index) => path[index] === step);
}

function problemsFromIssue(issue: v.BaseIssue<unknown>, base: FilePath): FileProblem[] {
  const path = [...base, ...(issue.path ?? []).map(({ key }) => key as string | number)];
  if (issue.type === 'union') {
    // Mistakes inside the alternative that fits the shape are more useful than "none of these fits".
    // A list is an object to valibot: only what was found in its items is about a list.
    const isList = Array.isArray(issue.input);
    const inner = (issue.issues ?? []).filter(({ path, kind }) =>
      path === undefined ? kind === 'validation' && isShape(issue.input) : (path[0].type === 'array') === isList,
    );
    if (inner.length > 0) return inner.flatMap((nested) => problemsFromIssue(nested, path));
  }
  if (issue.type === 'strict_object' && issue.path !== undefined && issue.input === undefined) {
    return [{ path, reason: 'the key is missing' }];
  }
  return [{ path, reason: reasonOf(issue) }];
}

const isShape = (input: unknown): boolean => typeof input === 'object' && input !== null;

function reasonOf(issue: v.BaseIssue<unknown>): string {
  // A check of a whole mapping says in a sentence what does not agree; every other message completes "expected".
  if ((issue.type === 'check' || issue.type === 'raw_check') && isMapping(issue.input as PlainValue)) return issue.message;
  const found = `found ${shown(issue.input)}; expected ${issue.message}`;
  if (issue.type !== 'picklist' || issue.message.includes('did you mean') || typeof issue.input !== 'string') return found;
  const words = (issue as v.PicklistIssue).expected.match(/"[^"]*"/g)?.map((word) => JSON.parse(word) as string) ?? [];
  const near = suggestion(issue.input, words).match(/^did you mean "[^"]*"\?/)?.[0];
  return near === undefined ? found : `${found}; ${near}`;
}
