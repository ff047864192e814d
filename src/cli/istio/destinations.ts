/**
 * Where the routes of VirtualServices lead: the shares of their weights, and whether the subsets are there that they name. A route to a
 * subset that no DestinationRule has is a route to a cluster that istiod never makes: its requests fail. Source: Istio,
 * `networking/v1/destination-rule`, "Subset".
 */
import { suggestion } from '../../base/nearest-name.ts';
import type { FieldFinding } from '../field-report.ts';
import { each } from './webhook-rules.ts';

/** A DestinationRule, as far as routes depend on it. */
interface Rule {
  readonly name: string;
  readonly host: string;
  readonly subsets: readonly string[];
}

/** The DestinationRules of all files that are checked together. */
export class DestinationRules {
  private readonly rules: readonly Rule[];

  constructor(resources: readonly object[]) {
    this.rules = resources.flatMap((resource) => {
      const { kind, metadata, spec } = resource as {
        readonly kind?: unknown;
        readonly metadata?: unknown;
        readonly spec?: unknown;
      };
      const host = fieldOf(spec, 'host');
      if (kind !== 'DestinationRule' || typeof host !== 'string') return [];
      const subsets = each(spec, 'subsets', '').flatMap(({ value }) => textOf(fieldOf(value, 'name')));
      return [{ name: nameOf(fieldOf(metadata, 'name')), host: qualified(host, fieldOf(metadata, 'namespace')), subsets }];
    });
  }

  /** Those of a host: the ones that name it, else the ones with a wildcard that it fits. */
  of(host: string): readonly Rule[] {
    const exact = this.rules.filter((rule) => rule.host === host || isShortFor(rule.host, host) || isShortFor(host, rule.host));
    if (exact.length > 0) return exact;
    return this.rules.filter((rule) => rule.host.startsWith('*') && host.endsWith(rule.host.slice(1)));
  }
}

/** What is to be said about the destinations of a resource. */
export interface DestinationFindings {
  readonly refused: readonly FieldFinding[];
  readonly warnings: readonly FieldFinding[];
}

/** Looks at the destinations of a VirtualService; of anything else there is nothing to say. */
export function destinationFindings(resource: object, rules: DestinationRules): DestinationFindings {
  const refused: FieldFinding[] = [];
  const warnings: FieldFinding[] = [];
  const { kind, metadata, spec } = resource as { readonly kind?: unknown; readonly metadata?: unknown; readonly spec?: unknown };
  if (kind !== 'VirtualService') return { refused, warnings };
  const namespace = fieldOf(metadata, 'namespace');
  for (const protocol of ['http', 'tcp', 'tls'])
    for (const { value: route, path } of each(spec, protocol, 'spec')) {
      const destinations = [
        ...each(route, 'route', path).map(({ value, path: at }) => [fieldOf(value, 'destination'), `${at}.destination`] as const),
        [fieldOf(route, 'mirror'), `${path}.mirror`] as const,
        ...each(route, 'mirrors', path).map(
          ({ value, path: at }) => [fieldOf(value, 'destination'), `${at}.destination`] as const,
        ),
      ];
      for (const [destination, at] of destinations) {
        const [host, subset] = [fieldOf(destination, 'host'), fieldOf(destination, 'subset')];
        if (typeof host !== 'string' || typeof subset !== 'string' || subset === '') continue;
        const found = rules.of(qualified(host, namespace));
        const known = found.flatMap(({ subsets }) => subsets);
        if (found.length === 0) {
          const reason = `no DestinationRule for ${host} is in the files: whether it has the subset ${JSON.stringify(subset)} is not checked`;
          warnings.push({ path: `${at}.subset`, reason });
        } else if (!known.includes(subset)) {
          const whose = `the DestinationRule ${found.map(({ name }) => name).join(', ')} of ${host}`;
          const others = known.length === 0 ? 'it has none' : suggestion(subset, known);
          const reason = `${whose} has no subset ${JSON.stringify(subset)}, so that requests fail; ${others}`;
          refused.push({ path: `${at}.subset`, reason });
        }
      }
      warnings.push(...sharesOf(route, path));
    }
  return { refused, warnings };
}

/** Weights are shares of their sum: who writes 90 and 20 may have meant percents. */
function sharesOf(route: object, path: string): readonly FieldFinding[] {
  const parts = each(route, 'route', path).map(({ value }) => {
    const weight = fieldOf(value, 'weight') ?? 0;
    return { weight: typeof weight === 'number' && weight >= 0 ? weight : Number.NaN, to: fieldOf(value, 'destination') };
  });
  const sum = parts.reduce((total, { weight }) => total + weight, 0);
  if (parts.length < 2 || !(sum > 0) || sum === 100) return [];
  const shares = parts.map(({ weight, to }) => {
    const subset = fieldOf(to, 'subset');
    const name = `${nameOf(fieldOf(to, 'host'))}${typeof subset === 'string' ? ` ${subset}` : ''}`;
    return `${((weight / sum) * 100).toFixed(1).replace(/\.0$/, '')} % to ${name}`;
  });
  return [{ path: `${path}.route`, reason: `the weights add up to ${sum}, not 100: ${shares.join(', ')}` }];
}

/** A name without dots is one of the namespace of the resource. */
function qualified(host: string, namespace: unknown): string {
  return host.includes('.') || host === '*' || typeof namespace !== 'string' ? host : `${host}.${namespace}.svc.cluster.local`;
}

/** Of a resource whose file does not say its namespace the short name is all there is. */
function isShortFor(short: string, long: string): boolean {
  return !short.includes('.') && long.startsWith(`${short}.`) && long.endsWith('.svc.cluster.local');
}

function fieldOf(holder: unknown, name: string): unknown {
  return typeof holder === 'object' && holder !== null ? (holder as Readonly<Record<string, unknown>>)[name] : undefined;
}

function textOf(value: unknown): readonly string[] {
  return typeof value === 'string' ? [value] : [];
}

function nameOf(value: unknown): string {
  return typeof value === 'string' ? value : '(without a name)';
}
