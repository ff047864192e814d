/** A request in as the parts of its policy look at it: after normalisation, before any of them. */
import type { VerifiedToken } from '../../model/inbound.ts';
import type { InboundConnection } from './inbound-connection.ts';

/** Which spellings of a path are one to the router of the program. */
export interface PathSpelling {
  /** `/ADMIN` is `/admin`. */
  readonly ignoresCase: boolean;
  /** `/admin/` is `/admin`. */
  readonly ignoresSlash: boolean;
  /** `/a%3Ab` is `/a:b`. */
  readonly ignoresEscapes?: boolean;
}

/** What rules, tokens, authorizers, rate limits and faults read of a request. Implemented by `Exchange`. */
export interface AccessRequest {
  readonly method: string;
  /** Normalised, with its query. */
  readonly path: string;
  /** Normalised, without query and fragment. */
  readonly pathOnly: string;
  /** How the program's router reads paths, where other spellings lead to the same handler. */
  readonly pathSpelling?: PathSpelling | undefined;
  /** The same for conditions that, met, keep requests out. */
  readonly refusingSpelling?: PathSpelling | undefined;
  /** Lower case, without a final dot and without the default port of the scheme; empty when there is none. */
  readonly authority: string;
  /** `http` or `https`, of the connection. */
  readonly scheme: string;
  readonly connection: InboundConnection;
  /** Port of the app as its policy names it; absent = the one that the connection came to. */
  readonly policyPort?: number | undefined;
  /** The client's address, over the trusted proxies in front. */
  readonly remoteAddress: string;
  /** Verified tokens; empty before the step that verifies them. */
  readonly tokens: readonly VerifiedToken[];
  readonly requestPrincipal: string | undefined;
  /**
   * Every value of a header in its order: undefined = none, a string = the only one; `:method`, `:path`, `:authority`, `:scheme` too.
   * `name` in lower case.
   */
  header(name: string): string | readonly string[] | undefined;
}
