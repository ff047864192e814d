/**
 * The tokens of a request (Envoy's `jwt_authn`): which ones it has to show, whether they are good, and what the rest of the way in and
 * the handler see of them. A request whose tokens were verified before is decided at once; the others wait for a signature, and at
 * times for the keys of the issuer.
 *
 * A request with several tokens passes only when all that a requirement looks at are good: the handler may read another one than the
 * one that was verified here.
 */
import type { Clock } from '../../base/runtime.ts';
import type { JwtProviderConfig, JwtRuleConfig } from '../../model/authorization.ts';
import type { InboundRefusal, VerifiedToken } from '../../model/inbound.ts';
import type { KeySources } from '../../security/jwt/key-source.ts';
import type { AccessRequest } from './access-request.ts';
import type { HeaderEdit } from './request-headers.ts';
import { CheckedTokens, type TokenVerdict } from './checked-tokens.ts';
import { TokenProvider } from './token-provider.ts';
import { isPreflight, silentTokenRefusal, tokenRefusal } from './token-refusal.ts';
import { compileTokenRules, type TokenRules, type Verdict } from './token-rules.ts';

/** What came of the tokens of a request. */
export interface TokenOutcome {
  /** Verified ones, in the order of their providers. */
  readonly tokens: readonly VerifiedToken[];
  /** Why the request goes no further. */
  readonly refusal?: InboundRefusal | undefined;
  /** What is done to its headers: claims are handed on, tokens are taken away. */
  readonly edit?: HeaderEdit | undefined;
  /** Its path where a token was taken out of the query. */
  readonly path?: string | undefined;
}

/** Checks the tokens of requests; made once for a chain. */
export interface TokenCheck {
  /** Calls `done` once: at once where nothing has to be waited for. Never throws. */
  check(request: AccessRequest, done: (outcome: TokenOutcome) => void): void;
}

/** What a check is made with. */
export interface TokenCheckParts {
  readonly clock: Clock;
  /** Shared by all checks of the process. */
  readonly keySources: KeySources;
}

/**
 * Compiles the tokens that requests need: by the first rule that matches, or, without rules, one of each provider. Throws what
 * compiling a pattern throws; the store has refused what does not compile before.
 */
export function createTokenCheck(
  providers: readonly JwtProviderConfig[],
  rules: readonly JwtRuleConfig[] | undefined,
  { clock, keySources }: TokenCheckParts,
): TokenCheck {
  const compiled = providers.map((config, index) => new TokenProvider(config, index, keySources.of(config.jwks), clock));
  return new CompiledTokenCheck(compiled, compileTokenRules(compiled, rules));
}

class CompiledTokenCheck implements TokenCheck {
  private readonly rules: TokenRules;
  private readonly allowsPreflight: boolean;
  private readonly hidesReason: boolean;
  /** Headers that only this check may set: what a caller sends under these names is taken away, whatever rule holds. */
  private readonly ownHeaders: readonly string[];
  /** Parameters of the query that tokens come in. */
  private readonly parameters: ReadonlySet<string>;

  constructor(providers: readonly TokenProvider[], rules: TokenRules) {
    this.rules = rules;
    this.allowsPreflight = providers.length > 0 && providers.every(({ config }) => config.allowPreflight === true);
    this.hidesReason = providers.some(({ config }) => config.hidesReason === true);
    this.ownHeaders = [...new Set(providers.flatMap((provider) => provider.ownHeaders))];
    const locations = providers.flatMap((provider) => provider.locations);
    this.parameters = new Set(locations.filter(({ kind }) => kind === 'query').map(({ name }) => name));
  }

  check(request: AccessRequest, done: (outcome: TokenOutcome) => void): void {
    const checked = new CheckedTokens(request);
    if (this.allowsPreflight && isPreflight(request)) return done(checked.outcome(this.ownHeaders));
    const verdict = this.verdict(request, checked);
    if (typeof verdict === 'string') done(this.outcome(verdict, request, checked));
    else this.checkLater(verdict, request, checked, done);
  }

  /** By itself, since a function that has others in it makes room for what they need whether or not it comes to them. */
  private checkLater(
    verdict: Promise<TokenVerdict>,
    request: AccessRequest,
    checked: CheckedTokens,
    done: (outcome: TokenOutcome) => void,
  ): void {
    verdict.then(
      (settled) => done(this.outcome(settled, request, checked)),
      () => done(this.outcome('verification-failed', request, checked)),
    );
  }

  /** A rule that cannot be evaluated takes no token for a good one. */
  private verdict(request: AccessRequest, checked: CheckedTokens): Verdict {
    try {
      return this.rules(request, checked);
    } catch {
      return 'verification-failed';
    }
  }

  private outcome(verdict: TokenVerdict, request: AccessRequest, checked: CheckedTokens): TokenOutcome {
    if (verdict === 'ok') return checked.outcome(this.ownHeaders);
    const refusal = this.hidesReason ? silentTokenRefusal(verdict) : tokenRefusal(verdict, request, this.parameters);
    return { tokens: [], refusal };
  }
}
