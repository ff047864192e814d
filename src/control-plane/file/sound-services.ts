/** What may be read of a file with mistakes, so that those between its keys are found in the same look as those in them. */
import type { FilePath, FileProblem } from './file-problem.ts';
import type { MeshFile, ServiceFile } from './schema.ts';

/** A service without the keys and routes that have mistakes of their own. */
export interface SoundService {
  readonly service: ServiceFile;
  /** Whether it says where its endpoints are, its subsets and its hosts: false where these have mistakes. */
  readonly isWhole: boolean;
}

/** Keys that other services and routes rely on; what is missing there must not be reported a second time. */
const wholeKeys: ReadonlySet<string | number | undefined> = new Set(['endpoints', 'dns', 'port', 'hosts', 'subsets', 'routes']);

/** Stands for a route with a mistake, so that those after it keep their numbers. */
const otherRoute = { respond: { status: 200 } } as const;

/** The services of `file`, as far as `problems` leave them. */
export function soundServices(file: MeshFile, problems: readonly FileProblem[]): ReadonlyMap<string, SoundService> {
  const byService = Map.groupBy(
    problems.filter(({ path }) => path[0] === 'services'),
    ({ path }) => path[1],
  );
  const sound = new Map<string, SoundService>();
  for (const [name, service] of Object.entries(file.services)) {
    const found = byService.get(name) ?? [];
    if (found.some(({ path }) => path.length === 2)) continue;
    const isWhole = found.every(({ path, atKey }) => isRoute(path) || !(wholeKeys.has(path[2]) || (atKey && path.length === 3)));
    sound.set(name, { service: found.length === 0 ? service : soundPart(service, found), isWhole });
  }
  return sound;
}

function isRoute(path: FilePath): boolean {
  return path[2] === 'routes' && typeof path[3] === 'number';
}

function soundPart(service: ServiceFile, problems: readonly FileProblem[]): ServiceFile {
  const badKeys = new Set(problems.flatMap(({ path }) => (isRoute(path) ? [] : [path[2]])));
  const badRoutes = new Set(problems.flatMap(({ path }) => (isRoute(path) ? [path[3]] : [])));
  const entries = Object.entries(service).filter(([key]) => !badKeys.has(key));
  const part: ServiceFile = Object.fromEntries(entries);
  if (part.routes === undefined) return part;
  return { ...part, routes: part.routes.map((route, index) => (badRoutes.has(index) ? otherRoute : route)) };
}
