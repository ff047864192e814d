import { types } from 'node:util';

/** Throws a TypeError where what stands for a mesh is none: most often the promise of one, which `await` is missing before. */
export function checkMesh(whose: string, mesh: unknown): void {
  if (typeof (mesh as { dispatcher?: { dispatch?: unknown } } | null | undefined)?.dispatcher?.dispatch === 'function') return;
  const given = types.isPromise(mesh) ? 'what it got is a promise: write `await` before createMesh()' : 'it has no dispatcher';
  throw new TypeError(`${whose}: the mesh must be one that createMesh() has made; ${given}`);
}
