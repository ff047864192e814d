/**
 * Policies of routes, in the code beside their handlers: `@MeshPolicy({ identities: ['spiffe://example.org/web'] })`. They come on top of
 * the policy of the port, which has let the request in already: whoever is denied there does not get here.
 */
import { ForbiddenException, Inject, Injectable, SetMetadata, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { MeshRequest } from '../../model/inbound.ts';
import { nodeRequest } from './node-request.ts';

/** Who may call a route: each key that is there has to hold, with one of its values. `*` at an end stands for anything. */
export interface MeshPolicyOptions {
  /** SPIFFE IDs or DNS names of the caller's certificate: `spiffe://example.org/web`, `spiffe://example.org/*`. */
  readonly identities?: readonly string[];
  /** Namespaces of SPIFFE IDs of the form `/ns/<namespace>/sa/<service account>`. */
  readonly namespaces?: readonly string[];
  /** `<issuer>/<subject>` of a verified token. */
  readonly requestPrincipals?: readonly string[];
  /** Claims of verified tokens, by name: of a list one value has to match. */
  readonly claims?: Readonly<Record<string, readonly string[]>>;
}

const metadataKey = 'meshfetch:policy';
const optionNames: readonly string[] = [
  'identities',
  'namespaces',
  'requestPrincipals',
  'claims',
] satisfies (keyof MeshPolicyOptions)[];

/** Says who may call a handler, or the handlers of a controller. Throws a TypeError for a policy that says nothing, or a key that is none. */
export function MeshPolicy(policy: MeshPolicyOptions): MethodDecorator & ClassDecorator {
  const keys = Object.keys(policy);
  const unknown = keys.find((key) => !optionNames.includes(key));
  if (unknown !== undefined) throw new TypeError(`MeshPolicy has no "${unknown}"; it takes ${optionNames.join(', ')}`);
  if (keys.length === 0) throw new TypeError(`MeshPolicy says nothing; name at least one of ${optionNames.join(', ')}`);
  return SetMetadata(metadataKey, policy);
}

/** Holds requests to the {@link MeshPolicy} of their handler and of its controller: both have to hold. */
export class MeshGuard implements CanActivate {
  private readonly reflector: Reflector;

  constructor(reflector: Reflector) {
    this.reflector = reflector;
  }

  canActivate(context: ExecutionContext): boolean {
    const policies = [context.getClass(), context.getHandler()].flatMap(
      (target) => this.reflector.get<MeshPolicyOptions | undefined>(metadataKey, target) ?? [],
    );
    if (policies.length === 0) return true;
    const mesh = nodeRequest(context)?.mesh;
    // A request that the mesh never saw is nobody's, and so is what comes over no request of HTTP.
    if (policies.every((policy) => mesh !== undefined && isAllowed(policy, mesh))) return true;
    throw new ForbiddenException('RBAC: access denied');
  }
}
Injectable()(MeshGuard);
Inject(Reflector)(MeshGuard, undefined, 0);

function isAllowed(policy: MeshPolicyOptions, { peer, requestPrincipal, tokens }: MeshRequest): boolean {
  const { identities, namespaces, requestPrincipals, claims } = policy;
  if (identities !== undefined && !matchesOne(identities, [peer.spiffeId, ...peer.dnsNames])) return false;
  if (namespaces !== undefined && !matchesOne(namespaces, [peer.namespace])) return false;
  if (requestPrincipals !== undefined && !matchesOne(requestPrincipals, [requestPrincipal])) return false;
  return Object.entries(claims ?? {}).every(([name, wanted]) =>
    tokens.some((token) => matchesOne(wanted, valuesOf(Object.hasOwn(token.claims, name) ? token.claims[name] : undefined))),
  );
}

function valuesOf(claim: unknown): readonly (string | undefined)[] {
  if (Array.isArray(claim)) return claim.filter((value) => typeof value === 'string');
  return typeof claim === 'string' ? [claim] : typeof claim === 'number' || typeof claim === 'boolean' ? [String(claim)] : [];
}

function matchesOne(patterns: readonly string[], values: readonly (string | undefined)[]): boolean {
  return values.some((value) => value !== undefined && value !== '' && patterns.some((pattern) => matches(pattern, value)));
}

/** `*` alone, at the beginning or at the end stands for anything that is not empty (Istio). */
function matches(pattern: string, value: string): boolean {
  if (pattern === '*') return true;
  if (pattern.endsWith('*')) return value.startsWith(pattern.slice(0, -1));
  if (pattern.startsWith('*')) return value.endsWith(pattern.slice(1));
  return value === pattern;
}
