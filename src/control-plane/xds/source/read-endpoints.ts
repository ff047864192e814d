import type { EndpointsConfig } from '../../../model/cluster.ts';
import { endpointsFrom } from '../translate/endpoints.ts';
import { Findings } from '../translate/message.ts';
import { messageFromWire } from '../wire/message-from-wire.ts';

export type EndpointsMemo = object;
/** Interim. */
export function endpointsFromWire(bytes: Uint8Array, _memo?: EndpointsMemo) {
  const findings = new Findings();
  const message = messageFromWire(bytes, 'envoy.config.endpoint.v3.ClusterLoadAssignment', '', findings);
  const value = message && endpointsFrom(message, '');
  findings.reportUnread();
  const { problems, unhonoured } = findings;
  return {
    value: problems.length === 0 ? value : undefined,
    problems,
    unhonoured,
    memo: undefined as EndpointsMemo | undefined,
  } as {
    value: EndpointsConfig | undefined;
    problems: typeof problems;
    unhonoured: typeof unhonoured;
    memo: EndpointsMemo | undefined;
  };
}
