/** The mistakes of a configuration, for tables of them. */
import assert from 'node:assert/strict';
import { isMeshError } from '../../../../src/base/errors.ts';
import type { ReportedProblem } from '../../../../src/control-plane/file/file-problem.ts';

/** The problems of a text, as `path line:column reason`. */
export async function problemsOf(parsed: Promise<unknown>): Promise<string[]> {
  try {
    await parsed;
  } catch (error) {
    assert.ok(isMeshError(error), String(error));
    assert.equal(error.code, 'MESH_CONFIG_INVALID');
    const problems = error.details['problems'] as readonly ReportedProblem[];
    return problems.map(({ path, line, column, reason }) => `${path} ${line}:${column} ${reason}`);
  }
  return [];
}

/** A service `a` with an endpoint and this beside it. */
export const service = (keys: string): string => `services:\n  a:\n    endpoints: [192.0.2.1:80]\n    ${keys}\n`;
/** A service `a` with this route. */
export const route = (keys: string): string => service(`routes: [${keys}]`);
