import type { VerifiedToken } from '../../model/inbound.ts';
import { own } from '../../security/jwt/compact-token.ts';
import type { TokenProblem } from '../../security/jwt/token-problem.ts';
import type { SignedToken } from '../../security/jwt/verified-tokens.ts';
import type { AccessRequest } from './access-request.ts';
import type { HeaderEdit } from './request-headers.ts';
import type { TokenOutcome } from './token-check.ts';
import { withoutQueryValues, type TakenPlaces, type TokenLocation } from './token-locations.ts';
import type { TokenProvider } from './token-provider.ts';

/** Whether a requirement is met. */
export type TokenVerdict = 'ok' | TokenProblem;

interface Accepted {
  readonly provider: TokenProvider;
  readonly signed: SignedToken;
  readonly location: TokenLocation;
}

/** The tokens of one request that were found good so far, and what follows from them. */
export class CheckedTokens {
  readonly request: AccessRequest;
  /** Places that a token was taken out of: later requirements find nothing there, as in Envoy. */
  taken: string[] | undefined = undefined;
  private accepted: Accepted[] = none;

  constructor(request: AccessRequest) {
    this.request = request;
  }

  /** Notes a good token. */
  accept(provider: TokenProvider, signed: SignedToken, location: TokenLocation): void {
    const accepted = { provider, signed, location };
    if (this.accepted === none) this.accepted = [accepted];
    else this.accepted.push(accepted);
    if (provider.config.forward === true || location.kind === 'cookie') return;
    if (this.taken === undefined) this.taken = [location.place];
    else this.taken.push(location.place);
  }

  /** Where nothing is found any more. */
  takenPlaces(): TakenPlaces | undefined {
    return this.taken;
  }

  /** What the request goes on with. */
  outcome(ownHeaders: readonly string[]): TokenOutcome {
    const remove = this.removed(ownHeaders);
    const set = this.claimHeaders();
    const edit: HeaderEdit | undefined = remove === undefined ? set && { set } : set === undefined ? { remove } : { remove, set };
    const path = this.pathWithoutTokens();
    return { tokens: this.tokens(), edit, path };
  }

  /** One for each provider: of several, the one in the first place, as in Envoy. */
  private tokens(): readonly VerifiedToken[] {
    const { accepted } = this;
    if (accepted.length === 0) return noTokens;
    if (accepted.length === 1) return accepted[0]!.signed.tokens;
    const byProvider = new Map(accepted.map(({ provider, signed }) => [provider, signed.token]));
    return [...byProvider].sort(([a], [b]) => a.index - b.index).map(([, token]) => token);
  }

  private removed(ownHeaders: readonly string[]): readonly string[] | undefined {
    let names: string[] | undefined;
    for (const name of ownHeaders) if (this.request.header(name) !== undefined) names = withName(names, name);
    if (this.taken !== undefined)
      for (const { location, provider } of this.accepted)
        if (location.kind === 'header' && provider.config.forward !== true) names = withName(names, location.name);
    return names;
  }

  private pathWithoutTokens(): string | undefined {
    if (this.taken === undefined) return undefined;
    let names: Set<string> | undefined;
    for (const { location, provider } of this.accepted)
      if (location.kind === 'query' && provider.config.forward !== true) (names ??= new Set()).add(location.name);
    return names && withoutQueryValues(this.request.path, names);
  }

  private claimHeaders(): readonly (readonly [string, string])[] | undefined {
    let pairs: (readonly [string, string])[] | undefined;
    for (const { provider, signed } of this.accepted) {
      const { payloadHeader, claimHeaders } = provider.config;
      if (payloadHeader !== undefined) (pairs ??= []).push([payloadHeader.toLowerCase(), signed.payload]);
      for (const { header, claim } of claimHeaders ?? []) {
        const value = headerTextOf(claimAt(signed.claims.payload, claim));
        if (value !== undefined) (pairs ??= []).push([header.toLowerCase(), value]);
      }
    }
    return pairs;
  }
}

function withName(names: string[] | undefined, name: string): string[] {
  if (names === undefined) return [name];
  names.push(name);
  return names;
}

const none: Accepted[] = [];
const noTokens: readonly VerifiedToken[] = Object.freeze([]);

/** A claim by its name, dots between the names of nested ones. */
function claimAt(payload: Readonly<Record<string, unknown>>, name: string): unknown {
  let value: unknown = payload;
  for (const part of name.split('.')) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    value = own(value as Readonly<Record<string, unknown>>, part);
  }
  return value;
}

/**
 * A claim as a header has it, as in Envoy: lists and objects are JSON in base64, other letters than ASCII the bytes of UTF-8. Undefined =
 * it cannot be one.
 */
function headerTextOf(value: unknown): string | undefined {
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return numberText(value);
  if (typeof value === 'object' && value !== null) return Buffer.from(JSON.stringify(value)).toString('base64');
  if (typeof value !== 'string' || value === '') return undefined;
  const bytes = Buffer.from(value).toString('latin1');
  // A line break would begin another header.
  return isFieldValue.test(bytes) ? bytes : undefined;
}

/** Whole numbers as they are, others with six digits (C++ `std::to_string`). */
function numberText(value: number): string {
  if (value >= 0 && value < 2 ** 64 && Number.isInteger(value)) return String(BigInt(value));
  return Math.abs(value) < 1e21 ? value.toFixed(6) : `${BigInt(value)}.000000`;
}

const isFieldValue = /^[\t\x20-\x7e\x80-\xff]*$/;
