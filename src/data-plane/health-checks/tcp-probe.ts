import type { Socket } from 'node:net';
import { peerOf } from '../transport/connect.ts';
import { createCheckConnector, type CheckSurroundings } from './check-connection.ts';
import type { CheckTarget } from './check-target.ts';
import { failedOnTheWay, type CheckVerdict, type HealthProbe } from './health-probe.ts';
import { bytesOf, hasInOrder, maxAnswerBytes } from './ordered-bytes.ts';

/**
 * Connects; where bytes are expected back, sends and waits for them. Without any, that connecting works (the TLS handshake included)
 * is the whole check, and the connection is closed. Source: Envoy `TcpHealthCheck`.
 */
export function createTcpProbe(target: CheckTarget, surroundings: CheckSurroundings): HealthProbe {
  const { check } = target;
  const send = check.sendHex === undefined ? undefined : Buffer.from(check.sendHex, 'hex');
  const expected = bytesOf(check.expectHex);
  const { clock } = surroundings;
  const connect = createCheckConnector(target, surroundings);
  let socket: Socket | undefined;
  let answer = Buffer.alloc(0);
  let report: ((verdict: CheckVerdict) => void) | undefined;
  /** The check under way uses the connection of an earlier one. */
  let wasKept = false;
  /** Grows with each connection that is given up. */
  let epoch = 0;

  const close = (): void => {
    epoch++;
    report = undefined;
    socket?.destroy();
    socket = undefined;
  };
  const settle = (verdict: CheckVerdict): void => {
    const onVerdict = report;
    report = undefined;
    onVerdict?.(verdict);
  };
  const onData = (chunk: Buffer): void => {
    // What comes between two checks belongs to neither.
    if (report === undefined) return;
    answer = Buffer.concat([answer, chunk]);
    if (hasInOrder(answer, expected)) settle({ kind: 'passed', isDegraded: false });
    else if (answer.length > maxAnswerBytes)
      settle({ kind: 'network', reason: `sent ${answer.length} bytes without the expected ones` });
  };
  const open = (): void => {
    const opened = epoch;
    connect({ hostname: target.address, protocol: 'tcp:', port: String(target.port) }, (error, connected) => {
      if (opened !== epoch) {
        connected?.destroy();
        return;
      }
      if (connected === null) {
        settle(failedOnTheWay(error));
        return;
      }
      if (expected.length === 0) {
        connected.destroy();
        settle({ kind: 'passed', isDegraded: false });
        return;
      }
      socket = connected;
      connected.on('data', onData);
      // Its error says why; without one the peer has just closed.
      let reason = 'closed the connection before it sent the expected bytes';
      connected.on('error', (cause) => (reason = cause.message));
      connected.on('close', () => {
        if (opened !== epoch) return;
        socket = undefined;
        if (report === undefined) return;
        // That the peer no longer wanted an idle connection says nothing of its health.
        if (wasKept && answer.length === 0) {
          wasKept = false;
          open();
        } else settle({ kind: 'network', reason });
      });
      if (send !== undefined) connected.write(send);
    });
  };

  return {
    begin(onVerdict) {
      if (socket !== undefined && (socket.readableEnded || (peerOf(socket)?.notAfterMs ?? Infinity) <= clock.wallNow())) close();
      answer = Buffer.alloc(0);
      report = onVerdict;
      wasKept = socket !== undefined;
      if (socket === undefined) open();
      else if (send !== undefined) socket.write(send);
    },
    close,
    get isConnected() {
      return socket !== undefined;
    },
  };
}
