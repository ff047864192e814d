import type { LimitsConfig } from '../../model/policy.ts';

/** Envoy's defaults of `circuit_breakers.thresholds`. */
const defaultMaxConnections = 1024;
const defaultMaxPending = 1024;
const defaultMaxRequests = 1024;
/**
 * No cap of its own: the retry budget is one already (Envoy ignores `max_retries` where a `retry_budget` is set), and Envoy's 3
 * refuses retries as soon as one of three hosts dies under load.
 */
const defaultMaxRetries = Number.POSITIVE_INFINITY;

/**
 * Caps of one cluster and priority, counted in this process. The counters outlive a change of the caps, so that lowering one
 * refuses new work and breaks nothing that is under way.
 */
export class ClusterLimits {
  /** In flight, until the end of their response bodies. */
  requests = 0;
  /** Waiting for a connection. */
  pending = 0;
  /** Retries that wait or run. */
  retries = 0;
  connections = 0;
  maxRequests = defaultMaxRequests;
  maxPending = defaultMaxPending;
  maxRetries = defaultMaxRetries;
  maxConnections = defaultMaxConnections;
  /** Of one host; unlimited by default, since `maxConnections` bounds their sum. */
  maxConnectionsPerHost = Number.POSITIVE_INFINITY;

  constructor(config: LimitsConfig | undefined) {
    this.update(config);
  }

  update(config: LimitsConfig | undefined): void {
    this.maxRequests = config?.maxRequests ?? defaultMaxRequests;
    this.maxPending = config?.maxPendingRequests ?? defaultMaxPending;
    this.maxRetries = config?.maxRetries ?? defaultMaxRetries;
    this.maxConnections = config?.maxConnections ?? defaultMaxConnections;
    this.maxConnectionsPerHost = config?.maxConnectionsPerHost ?? Number.POSITIVE_INFINITY;
  }

  /** Takes a place; undefined = taken, else which limit was hit, in words. */
  tryAcquireRequest(): string | undefined {
    if (this.requests >= this.maxRequests) return hit('requests in flight', this.requests, 'maxRequests', this.maxRequests);
    this.requests++;
    return undefined;
  }

  releaseRequest(): void {
    this.requests--;
  }

  tryAcquirePending(): boolean {
    if (this.pending >= this.maxPending) return false;
    this.pending++;
    return true;
  }

  releasePending(): void {
    this.pending--;
  }

  tryAcquireRetry(): boolean {
    if (this.retries >= this.maxRetries) return false;
    this.retries++;
    return true;
  }

  releaseRetry(): void {
    this.retries--;
  }

  /** The first connection of a host is always allowed, as in Envoy: a request that was balanced to it could wait for ever. */
  tryAcquireConnection(isFirstOfHost = false): boolean {
    if (this.connections >= this.maxConnections && !isFirstOfHost) return false;
    this.connections++;
    return true;
  }

  releaseConnection(): void {
    this.connections--;
  }

  /** Which limits are reached now, in words; empty when there is room everywhere. For errors and `status()`. */
  reached(): readonly string[] {
    const words: string[] = [];
    if (this.requests >= this.maxRequests) words.push(hit('requests in flight', this.requests, 'maxRequests', this.maxRequests));
    if (this.pending >= this.maxPending)
      words.push(hit('requests waiting for a connection', this.pending, 'maxPendingRequests', this.maxPending));
    if (this.retries >= this.maxRetries) words.push(hit('retries under way', this.retries, 'maxRetries', this.maxRetries));
    if (this.connections >= this.maxConnections)
      words.push(hit('connections', this.connections, 'maxConnections', this.maxConnections));
    return words;
  }
}

function hit(what: string, count: number, limit: string, max: number): string {
  return `${count} ${what}, the limit is ${max} (limits.${limit})`;
}
