import { LRUCache } from 'lru-cache';
import type { RetryBudgetConfig } from '../../model/policy.ts';
import { createRetryBudget, type RetryBudget } from './retry-budget.ts';

/** The safe default: 15 % of the first attempts, and ten in reserve for quiet times. */
const defaultBudget: RetryBudgetConfig = { kind: 'token-bucket', ratio: 0.15, minTokens: 10 };
/** Different budgets that the policies of one cluster may ask for; those that were used least recently are forgotten. */
const maxBudgets = 100;

/**
 * The retry budgets of one cluster: one for all requests whose policies say the same, whichever route and version of the
 * configuration they come from. A budget that every reload fills again, or that every route has for itself, bounds nothing.
 */
export class ClusterBudgets {
  /** Made by the first request: most clusters of a large mesh never have one, and it costs 3 KB. */
  private byValue: LRUCache<string, RetryBudget> | undefined = undefined;
  /** The same by identity, for the request path. */
  private byConfig: WeakMap<RetryBudgetConfig, RetryBudget> | undefined = undefined;
  private latest: RetryBudget | undefined = undefined;

  /** The budget for a request; undefined = the default. */
  of(config: RetryBudgetConfig | undefined): RetryBudget {
    const wanted = config ?? defaultBudget;
    const budget = this.byConfig?.get(wanted) ?? this.find(wanted);
    this.latest = budget;
    return budget;
  }

  /** Retries left in the budget of the latest request; before the first one, in that of the cluster. */
  remaining(ofCluster: RetryBudgetConfig | undefined, nowMs: number): number {
    return (this.latest ?? createRetryBudget(ofCluster ?? defaultBudget)).remaining(nowMs);
  }

  private find(config: RetryBudgetConfig): RetryBudget {
    const key = JSON.stringify(Object.entries(config).toSorted(([one], [other]) => (one < other ? -1 : 1)));
    const byValue = (this.byValue ??= new LRUCache({ max: maxBudgets }));
    let budget = byValue.get(key);
    if (budget === undefined) byValue.set(key, (budget = createRetryBudget(config)));
    (this.byConfig ??= new WeakMap()).set(config, budget);
    return budget;
  }
}
