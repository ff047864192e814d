/**
 * The standard health service of gRPC (`grpc.health.v1`: Check, List, Watch), which kubelets, load balancers and clients ask. It follows
 * the drain of the port that it is asked at: from then on everything is NOT_SERVING. Watchers are told, and their streams end with
 * UNAVAILABLE, since a watch that goes on would hold up the drain; who watches anew is told the same.
 */
import type { sendUnaryData, Server, ServerUnaryCall, ServerWritableStream } from '@grpc/grpc-js';
import {
  decodeHealthRequest,
  encodeHealthList,
  encodeHealthRequest,
  encodeHealthStatus,
  type HealthRequest,
  type HealthStatus,
} from '../../../wire/grpc-health.ts';
import { meshRequest } from './call-context.ts';
import { goingAway, onDraining } from './on-draining.ts';

/** What a service can say of itself. */
export type ServingStatus = Exclude<HealthStatus, 'SERVICE_UNKNOWN'>;

/** The health of the services of a server. */
export interface GrpcHealth {
  /** `service` by its full name (`shop.Orders`); the empty name is the server as a whole, which most ask for. */
  setStatus(service: string, status: ServingStatus): void;
  /** Adds the health service to a server. */
  addToServer(server: Server): void;
}

type Names = Iterable<readonly [service: string, status: HealthStatus]>;
type Unary<Response> = (call: ServerUnaryCall<HealthRequest, Response>, done: sendUnaryData<Response>) => void;

const asIs = (bytes: Buffer): Buffer => bytes;
const request = { requestSerialize: encodeHealthRequest, requestDeserialize: decodeHealthRequest, responseDeserialize: asIs };

const definition = {
  Check: method('Check', false, encodeHealthStatus),
  List: method('List', false, encodeHealthList),
  Watch: method('Watch', true, encodeHealthStatus),
};

function method<Response>(name: string, responseStream: boolean, responseSerialize: (response: Response) => Buffer) {
  return { path: `/grpc.health.v1.Health/${name}`, requestStream: false, responseStream, responseSerialize, ...request };
}

/** Makes the health of a server. `statuses` by the names of services; that of the server as a whole is SERVING unless it says otherwise. */
export function grpcHealth(statuses: Readonly<Record<string, ServingStatus>> = {}): GrpcHealth {
  const known = new Map<string, ServingStatus>(Object.entries({ '': 'SERVING', ...statuses }));
  const watches = new Set<Watch>();

  const check: Unary<HealthStatus> = (call, done) => {
    const status = known.get(call.request.service);
    if (status === undefined) done(unknownService);
    else done(null, isDraining(call) ? 'NOT_SERVING' : status);
  };
  const list: Unary<Names> = (call, done) => {
    const isGoing = isDraining(call);
    done(
      null,
      [...known].map(([service, status]) => [service, isGoing ? 'NOT_SERVING' : status]),
    );
  };
  const watch = (call: ServerWritableStream<HealthRequest, HealthStatus>): void => {
    const each = new Watch(call, () => known.get(call.request.service) ?? 'SERVICE_UNKNOWN');
    watches.add(each);
    call.once('cancelled', () => watches.delete(each));
    call.once('close', () => watches.delete(each));
    // Before a word is said: of a port that drains already there is another.
    onDraining(call, () => each.leave());
    each.tell();
  };

  return {
    setStatus(service, status) {
      if (status !== 'SERVING' && status !== 'NOT_SERVING' && status !== 'UNKNOWN')
        throw new TypeError('grpcHealth: a status is "SERVING", "NOT_SERVING" or "UNKNOWN"');
      known.set(service, status);
      for (const each of watches) each.tell();
    },
    addToServer(server) {
      server.addService(definition, { Check: check, List: list, Watch: watch });
    },
  };
}

/** NOT_FOUND: as the protocol says. */
const unknownService = Object.freeze({ code: 5, details: 'no such service' });

function isDraining(call: Parameters<typeof meshRequest>[0]): boolean {
  return meshRequest(call)?.draining.aborted === true;
}

/** A stream of one service's status. */
class Watch {
  private readonly call: ServerWritableStream<HealthRequest, HealthStatus>;
  private readonly now: () => HealthStatus;
  private told: HealthStatus | undefined = undefined;
  private isOver = false;

  constructor(call: ServerWritableStream<HealthRequest, HealthStatus>, now: () => HealthStatus) {
    this.call = call;
    this.now = now;
    call.on('drain', () => this.tell());
  }

  /** Only what has changed; a watcher that reads slowly gets the last of several. */
  tell(status = this.now()): void {
    if (this.isOver || status === this.told || this.call.writableNeedDrain) return;
    this.told = status;
    this.call.write(status);
  }

  leave(): void {
    this.tell('NOT_SERVING');
    this.isOver = true;
    this.call.emit('error', goingAway);
  }
}
