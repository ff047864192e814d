import type { InboundDoorOptions } from '../../model/inbound.ts';
import type { PathNormalizationConfig } from '../../model/listener.ts';
import type { PathSpelling } from './access-request.ts';

/** Which spellings of a path are one to conditions of a chain. */
export interface PathSpellings {
  /** To all of them; undefined = paths are compared as they are written. */
  readonly pathSpelling: PathSpelling | undefined;
  /** To those that, met, keep requests out. */
  readonly refusingSpelling: PathSpelling;
}

/** What a program says of its router. */
export type RouterOptions = Pick<InboundDoorOptions, 'ignorePathCase' | 'ignoreTrailingSlash'>;

/**
 * The spellings that count on a chain. What the program says of its router holds for every condition. Where it says nothing, those that
 * refuse take no chances under the mesh's own rules: many routers take `/ADMIN/` for `/admin`. A source that compares as Envoy does is
 * obeyed; where it wants paths normalised, what refuses sees through all escapes that no path needs, since every router decodes them.
 */
export function pathSpellings(
  normalization: PathNormalizationConfig | undefined,
  { ignorePathCase, ignoreTrailingSlash }: RouterOptions = {},
): PathSpellings {
  const isStrict = normalization === undefined || normalization.isStrict === true;
  const isSaid = ignorePathCase === true || ignoreTrailingSlash === true;
  return {
    pathSpelling:
      isStrict || isSaid
        ? { ignoresCase: ignorePathCase ?? false, ignoresSlash: ignoreTrailingSlash ?? false, ignoresEscapes: isStrict }
        : undefined,
    refusingSpelling: {
      ignoresCase: ignorePathCase ?? isStrict,
      ignoresSlash: ignoreTrailingSlash ?? isStrict,
      ignoresEscapes: isStrict || normalization.normalize,
    },
  };
}
