import type { CusumHost } from './cusum-host.ts';

/** What speaks against a host, in plain words: "11 of 14 requests failed, of its peers 0.4 %: evidence 18.2 of 17.8". */
export function describeEvidence(host: CusumHost): string {
  const { more, bad, dead, slow, silence, threshold } = host;
  const errors = Math.max(more, bad, dead);
  const words: string[] = [];
  if (silence > Math.max(errors, slow)) words.push('no answer to what it was asked');
  if (errors > 0 && errors >= slow && host.runFailures === 0) words.push('it came back not long ago');
  else if (errors > 0 && errors >= slow)
    words.push(`${host.runFailures} of ${host.runRequests} requests failed, of its peers ${percent(host.peerErrorRatio)}`);
  else if (slow > 0) words.push('its answers take at least three times as long as those of its peers');
  return `${words.join('; ')}: evidence ${(Math.max(errors, slow) + silence).toFixed(1)} of ${threshold.toFixed(1)}`;
}

function percent(ratio: number): string {
  return `${Number((100 * ratio).toPrecision(2))} %`;
}
