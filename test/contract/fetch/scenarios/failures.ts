/** Peers that break off, talk nonsense or are not there. */
import type { Scenario } from '../scenario.ts';

const beforeTheHead = ['reset', 'close-without-answer', 'half-head', 'garbage', 'switching-protocols', 'long-header'];
const inTheBody = ['truncated', 'truncated-chunked', 'bad-chunk', 'too-much'];

export const failureScenarios: readonly Scenario[] = [
  ...beforeTheHead.flatMap((route) => [
    { name: `failure-${route}`, input: route },
    { name: `failure-${route}-post`, input: route, init: { method: 'POST', body: 'x' } },
  ]),
  ...inTheBody.flatMap((route) =>
    ['text', 'json', 'stream', 'array-buffer', 'clone', 'text-twice', 'pipe-through'].map((read) => ({
      name: `failure-${route}-${read}`,
      input: route,
      read,
    })),
  ),
  { name: 'failure-nobody-listens', input: () => 'http://127.0.0.1:2/' },
  { name: 'failure-unknown-host', input: () => 'http://nowhere.invalid/' },
  { name: 'failure-plain-to-tls', input: (run) => run.url('echo', 'tls').replace('https:', 'http:') },
  { name: 'failure-tls-to-plain', input: (run) => run.url('echo').replace('http:', 'https:') },
  { name: 'failure-certificate-for-another-name', input: (run) => run.url('echo', 'tls').replace('127.0.0.1', 'localhost') },
  {
    name: 'failure-noticed-unread',
    input: 'truncated',
    act: async (fetch, run) => {
      const response = await fetch(run.url('truncated'));
      await new Promise((resolve) => setImmediate(resolve));
      return { used: response.bodyUsed, text: await response.text().catch((error: unknown) => error) };
    },
  },
];
