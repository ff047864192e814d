import type { PathMatcher } from '../../model/match.ts';
import type { ForwardOptions, MirrorConfig, WeightedDestination } from '../../model/route.ts';
import { compileAnswer } from './answer.ts';
import { compileRequestEdit, compileResponseEdit, type PolicyPlaces } from './compile-edits.ts';
import type { CompiledDestination, CompiledMirror, RouteCompilation } from './compiled-route.ts';

/** The route that a destination belongs to. */
interface Surroundings {
  readonly action: ForwardOptions;
  readonly path: PathMatcher | undefined;
  readonly places: PolicyPlaces;
  readonly compilation: RouteCompilation;
}

/** Shared by all that have none. */
const noMirrors: readonly CompiledMirror[] = [];

/** Compiles a destination of a route, with what the route says of all of them; its own rewrites win over the route's. */
export function compileDestination(
  to: WeightedDestination,
  { action, path, places, compilation }: Surroundings,
): CompiledDestination {
  const rewrites = {
    pathRewrite: to.pathRewrite ?? action.pathRewrite,
    hostRewrite: to.hostRewrite ?? action.hostRewrite,
    isHostOfDestination: to.hostRewrite !== undefined,
    appendForwardedHost: action.appendForwardedHost,
  };
  const responseEdit = compileResponseEdit(places, to.responseHeaders);
  return {
    slot: compilation.slot(to.cluster),
    subset: to.subset ?? '',
    weight: to.weight,
    edit: compileRequestEdit(places, path, rewrites, to.requestHeaders),
    responseEdit,
    mirrors: compileMirrors([...(action.mirror ?? []), ...(to.mirror ?? [])], compilation),
    fault: to.fault,
    timeoutMs: to.timeoutMs,
    answer: to.answer === undefined ? undefined : compileAnswer(to.answer, path, responseEdit),
    latency: undefined,
  };
}

/** Compiles the copies of a request. */
export function compileMirrors(
  mirrors: readonly MirrorConfig[] | undefined,
  compilation: RouteCompilation,
): readonly CompiledMirror[] {
  if (mirrors === undefined || mirrors.length === 0) return noMirrors;
  return mirrors.map(({ cluster, subset = '', fraction, hostSuffix = '', traceSampled }) => ({
    slot: compilation.slot(cluster),
    subset,
    share: fraction.numerator / fraction.denominator,
    hostSuffix,
    traceSampled,
  }));
}
