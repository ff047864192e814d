/** A request through meshfetch, in the words that Envoy's access log has for it. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createMesh, isMeshError, type Mesh } from 'meshfetch';
import { grpcStatusNumber } from '../../src/base/grpc-status.ts';
import type { EventPayloads } from '../../src/telemetry/events.ts';
import { TestControlPlane } from '../support/cluster-plane.ts';
import { joined, type OracleRequest } from './ask-envoy.ts';
import { meshResources } from './mesh-resources.ts';
import { sortedFlags, type Observation } from './observation.ts';
import type { OracleCase } from './oracle-case.ts';
import { idHeader, type Upstreams } from './upstreams.ts';

type RequestEnd = EventPayloads['request:end'];

/** A mesh that serves one case. */
export class MeshSide {
  private readonly mesh: Mesh;
  private readonly upstreams: Upstreams;
  /** What the mesh said of the requests of this ask that ended, in that order. */
  private ended: RequestEnd[] = [];
  private readCount = 0;
  private readonly onEnd: (message: unknown) => void;

  private constructor(mesh: Mesh, upstreams: Upstreams) {
    this.mesh = mesh;
    this.upstreams = upstreams;
    this.onEnd = (message) => {
      const event = message as RequestEnd;
      if (event.mesh === mesh.name) this.ended.push(event);
    };
    subscribe('meshfetch:request:end', this.onEnd);
  }

  /** Starts it. Rejects when the configuration of the case is refused. */
  static async start(oracleCase: OracleCase, upstreams: Upstreams): Promise<MeshSide> {
    const plane = new TestControlPlane('envoy');
    const { resources } = meshResources(oracleCase, (name) => upstreams.port(name));
    const mesh = await createMesh({ name: oracleCase.name, controlPlane: plane, unknownHosts: 'refuse', drainTimeoutMs: 0 });
    try {
      await plane.deliver(resources);
      return new MeshSide(mesh, upstreams);
    } catch (error) {
      await mesh.close();
      throw error;
    }
  }

  /** A mesh that is there already; `stop` closes it. */
  static over(mesh: Mesh, upstreams: Upstreams): MeshSide {
    return new MeshSide(mesh, upstreams);
  }

  async stop(): Promise<void> {
    unsubscribe('meshfetch:request:end', this.onEnd);
    await this.mesh.close();
  }

  /** Forgets what it said of earlier requests. */
  beginAsk(): void {
    this.ended = [];
    this.readCount = 0;
  }

  /** Sends a request. Events name no request: that of several at a time are told apart by their order alone. */
  async ask(asked: OracleRequest): Promise<() => Promise<Observation>> {
    const { id, method, host, path, headers, bodyBytes, abortAfterMs } = asked;
    const startMs = performance.now();
    let answer: Pick<Observation, 'status' | 'headers' | 'body' | 'isComplete'> = {
      status: 0,
      headers: undefined,
      body: '',
      isComplete: false,
    };
    let failure: Error | undefined;
    try {
      const response = await this.mesh.dispatcher.request({
        origin: `http://${host}`,
        path,
        method,
        headers: { ...headers, [idHeader]: id },
        ...(bodyBytes > 0 && { body: Buffer.alloc(bodyBytes, 0x78) }),
        ...(abortAfterMs !== undefined && { signal: AbortSignal.timeout(abortAfterMs) }),
      });
      answer = { status: response.statusCode, headers: joined(response.headers), body: '', isComplete: false };
      answer = { ...answer, body: await response.body.text(), isComplete: true };
    } catch (error) {
      failure = error as Error;
    }
    const elapsedMs = performance.now() - startMs;
    const meshError = isMeshError(failure) ? failure : undefined;
    // Envoy's answer to a caller that gave up, or whose response broke off, has the status it had.
    const status = answer.status > 0 ? answer.status : (meshError?.status ?? 0);
    return () => {
      const event = this.ended[this.readCount++];
      return Promise.resolve({
        ...answer,
        status,
        // Envoy answers in every case but when the caller is gone.
        isComplete: answer.isComplete || (answer.status === 0 && meshError !== undefined),
        flags: sortedFlags(event?.flags ?? meshError?.flags ?? '-'),
        tries: Math.max(meshError?.attempts.length ?? 0, event?.attempts.length ?? 0, 1),
        arrivals: this.upstreams.arrivals(id),
        elapsedMs,
        grpcStatus: meshError === undefined ? answer.headers?.['grpc-status'] : String(grpcStatusNumber(meshError.grpcStatus)),
        details: meshError?.message ?? event?.details ?? (failure === undefined ? '' : String(failure)),
      });
    };
  }
}
