import type { Script } from './upstreams.ts';

/** A piece of configuration in Envoy's own words (proto3 JSON). */
export type Json = Readonly<Record<string, unknown>>;

/** An endpoint by its name in `upstreams.ts`, or with what Envoy says about endpoints. */
export type EndpointSpec =
  | string
  | {
      readonly name: string;
      readonly weight?: number;
      readonly priority?: number;
      readonly zone?: string;
      readonly health?: 'HEALTHY' | 'UNHEALTHY' | 'DRAINING' | 'DEGRADED';
      /** Under `envoy.lb`. */
      readonly metadata?: Json;
    };

/** A cluster in Envoy's words; its endpoints by name. */
export interface ClusterSpec {
  readonly endpoints?: readonly EndpointSpec[];
  readonly http2?: boolean;
  readonly envoy?: Json;
  /** The `policy` of its endpoints. */
  readonly policy?: Json;
  /** Weights of the localities by zone. */
  readonly zoneWeights?: Readonly<Record<string, number>>;
}

/** One request, or several alike. */
export interface Ask {
  readonly method?: string;
  readonly path?: string;
  /** Default: the domain of the case. */
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly bodyBytes?: number;
  readonly script?: Script;
  /** So many of them, one after the other. Default 1. */
  readonly times?: number;
  /** None waits for another: all at once, or one each `everyMs`. */
  readonly together?: boolean;
  readonly everyMs?: number;
  /** Rest before them. */
  readonly pauseMs?: number;
  /** Rest after them, for what goes on unseen. */
  readonly settleMs?: number;
  /** Gives up after so long. */
  readonly abortAfterMs?: number;
  /**
   * What Envoy is known to answer: `<status> <flags> <attempts at the endpoints>`, in the order of the documentation. Checked, so
   * that a case tests what it says; several alike requests are not described.
   */
  readonly envoy?: string;
  /** Which endpoints may serve: the same ones on both sides (default), as many different ones, or these shares on each side. */
  readonly endpoints?:
    | 'same'
    | 'as-many'
    | 'any'
    | { readonly shares: Readonly<Record<string, number>>; readonly within: number };
  /** Chance decides each: shares of statuses, flags and attempts may differ by so much, 0…1. */
  readonly roughly?: number;
  /** On each side, as seen by the caller. */
  readonly elapsedMs?: readonly [least: number, most: number];
}

/** The same configuration and requests for Envoy and for meshfetch. `$x` stands for the cluster `x` of the case. */
export interface OracleCase {
  /** Kebab-case; its virtual host has the domain `<name>.test`. */
  readonly name: string;
  /** Fields of the action of the only route, which forwards everything to `$up`. */
  readonly route?: Json;
  /** Fields of that route beside its action. */
  readonly routeFields?: Json;
  /** The routes instead of that one. */
  readonly routes?: readonly Json[];
  readonly virtualHost?: Json;
  /** Fields of the route table; the case gets a listener of its own. */
  readonly table?: Json;
  /** Default: `up`, with the endpoint `a`. */
  readonly clusters?: Readonly<Record<string, ClusterSpec>>;
  /** Envoy remembers what it was asked (an ejection, an empty bucket), so that the case can be run once only. */
  readonly leavesTraces?: true;
  /** Default: one GET of `/`. */
  readonly asks?: readonly Ask[];
}

/** The domain that a case's requests go to. */
export function domainOf(oracleCase: OracleCase): string {
  return `${oracleCase.name}.test`;
}

/** The requests of a case. */
export function asksOf(oracleCase: OracleCase): readonly Ask[] {
  return oracleCase.asks ?? [{}];
}

/** `value` with each `$x` replaced by the name of the cluster `x` of this case. */
export function named<T>(oracleCase: OracleCase, value: T): T {
  if (typeof value === 'string') return (/^\$[\w-]+$/.test(value) ? `${oracleCase.name}--${value.slice(1)}` : value) as T;
  if (Array.isArray(value)) return value.map((item) => named(oracleCase, item as unknown)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, named(oracleCase, item as unknown)])) as T;
}
