/** Where a request is sent again: other hosts, other priorities. */
import type { Ask, ClusterSpec, Json, OracleCase } from '../oracle-case.ts';

interface Row {
  readonly name: string;
  readonly more: Json;
  readonly clusters?: Readonly<Record<string, ClusterSpec>>;
  readonly asks: readonly Ask[];
}

const rows: readonly Row[] = [
  {
    name: 'previous-hosts',
    more: {
      retry_host_predicate: [
        {
          name: 'previous',
          typed_config: { '@type': 'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate' },
        },
      ],
      host_selection_retry_max_attempts: 10,
    },
    clusters: { up: { endpoints: ['a', 'b', 'c'] } },
    asks: Array.from({ length: 5 }, () => ({ script: ['503', '503', '200'], endpoints: 'as-many' as const, envoy: '200 - 3' })),
  },
  {
    name: 'previous-hosts-of-one',
    more: {
      retry_host_predicate: [
        {
          name: 'previous',
          typed_config: { '@type': 'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate' },
        },
      ],
      host_selection_retry_max_attempts: 3,
    },
    asks: [{ script: ['503', '200'], envoy: '200 - 2' }],
  },
  {
    name: 'omit-canary-hosts',
    more: {
      retry_host_predicate: [
        {
          name: 'omit',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig',
            metadata_match: { filter_metadata: { 'envoy.lb': { version: 'v2' } } },
          },
        },
      ],
      host_selection_retry_max_attempts: 20,
    },
    clusters: {
      up: {
        endpoints: [
          { name: 'a', metadata: { version: 'v1' } },
          { name: 'b', metadata: { version: 'v2' } },
          { name: 'c', metadata: { version: 'v2' } },
        ],
      },
    },
    // The retries go to a, whoever had the first attempt.
    asks: [{ script: { b: ['503'], c: ['503'], a: ['200'] }, times: 6, endpoints: 'any' }],
  },
  {
    name: 'previous-priorities',
    more: {
      retry_priority: {
        name: 'previous',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig',
          update_frequency: 1,
        },
      },
    },
    clusters: { up: { endpoints: [{ name: 'a' }, { name: 'b', priority: 1 }, { name: 'c', priority: 2 }] } },
    asks: [{ script: ['503', '503', '200'], envoy: '200 - 3' }],
  },
];

/** Predicates of retries. */
export const retryHostCases: readonly OracleCase[] = rows.map(({ name, more, clusters, asks }) => ({
  name: `retry-${name}`,
  route: {
    retry_policy: {
      retry_on: '5xx',
      num_retries: 2,
      retry_back_off: { base_interval: '0.001s', max_interval: '0.002s' },
      ...more,
    },
  },
  asks,
  ...(clusters && { clusters }),
}));
