/** Whether a route takes all requests of another one, so that the other is never reached behind it. */
import { isDeepStrictEqual } from 'node:util';
import type { RouteFile } from './schema.ts';

/** The conditions of a route. */
export type MatchFile = NonNullable<RouteFile['match']>;
type PathFile = NonNullable<MatchFile['path']>;

/** Whether every request that passes `inner` passes `outer` too; false where that cannot be told. */
export function covers(outer: MatchFile, inner: MatchFile): boolean {
  const { path, methods, grpc, percent = 100 } = outer;
  return (
    percent === 100 &&
    (path === undefined || coversPath(path, inner.path)) &&
    (methods === undefined || inner.methods?.every((method) => methods.includes(method)) === true) &&
    (grpc === undefined || inner.grpc === true) &&
    (['headers', 'query', 'cookies'] as const).every((kind) =>
      Object.entries(outer[kind] ?? {}).every(([name, test]) => isDeepStrictEqual(inner[kind]?.[name], test)),
    )
  );
}

/** The same for paths alone. */
export function coversPath(outer: PathFile, inner: PathFile | undefined): boolean {
  const start = outer.prefix ?? outer.segmentPrefix;
  // Every path begins so.
  if (start === '/' || isDeepStrictEqual(outer, inner)) return true;
  const literal = inner?.exact ?? inner?.prefix ?? inner?.segmentPrefix;
  if (literal === undefined || (inner?.ignoreCase === true && outer.ignoreCase !== true)) return false;
  const folded = (text: string): string => (outer.ignoreCase === true ? text.toLowerCase() : text);
  const path = folded(literal);
  if (outer.prefix !== undefined) return path.startsWith(folded(outer.prefix));
  if (outer.exact !== undefined) return inner?.exact !== undefined && path === folded(outer.exact);
  if (outer.segmentPrefix === undefined) return false;
  const segments = folded(outer.segmentPrefix).replace(/\/$/, '');
  // The prefix /v2 takes /v20 too, the segments /v2 do not.
  return path.startsWith(`${segments}/`) || (path === segments && inner?.prefix === undefined);
}
