import type { Inbound } from '../data-plane/inbound.ts';

/** One port that is open. */
export interface InboundPortStatus {
  /** Port of the app, whose policy holds. */
  readonly port: number;
  /** False while it drains. */
  readonly isReady: boolean;
  /** The stricter of the policy's and the program's. */
  readonly mode: 'disabled' | 'permissive' | 'strict';
  /** `in-force`, `none` (what the program said holds alone), or `awaited`: everything is refused until it is there. */
  readonly policy: 'in-force' | 'none' | 'awaited' | 'missing';
  /** Of the policy; absent while there is none. */
  readonly source?: string;
  readonly version?: string;
  readonly listener?: string;
  /** Names of the filter chains, each with its authorization policies. */
  readonly filterChains: readonly { readonly name: string; readonly policies: readonly string[]; readonly refused?: string }[];
  /** Absent where the program has the server. */
  readonly connections?: number;
  /** Requests whose response is not over. */
  readonly requestsInFlight: number;
}

/** What holds for every port that is open. */
export function inboundStatus(inbound: Inbound): readonly InboundPortStatus[] {
  return [...inbound.openPorts()].map((port) => {
    const { listener, mode, chains, refused } = port.policy();
    return {
      port: port.number,
      isReady: port.isReady,
      mode,
      policy:
        refused === undefined
          ? listener === undefined
            ? 'none'
            : 'in-force'
          : refused.answer.status === 503
            ? 'awaited'
            : 'missing',
      ...(listener !== undefined && { source: listener.source, version: listener.version, listener: listener.config.name }),
      filterChains: chains.map(({ config, refused: broken }) => ({
        name: config.name,
        policies: config.authorization.map(
          ({ action, name, dryRun }) => `${action} ${name}${dryRun === true ? ' (dry run)' : ''}`,
        ),
        ...(broken !== undefined && { refused: broken.details }),
      })),
      ...(port.countConnections !== undefined && { connections: port.countConnections() }),
      requestsInFlight: port.inFlight,
    };
  });
}
