import type { Clock } from '../base/runtime.ts';
import { BoundedNames } from './bounded-names.ts';
import { createKnownMethods } from './http-method.ts';
import type { Registration } from './registration.ts';
import type { WorkloadScope } from './workload-exchange.ts';

/**
 * Distinct services, clusters, virtual clusters, routes and policies that metrics name: 128 of them with four methods and a few statuses each stay below the 2,000
 * series at which the OpenTelemetry SDK folds a metric together.
 */
const maxNames = 128;

/** What all spans of one mesh share. */
export class MeshScope {
  readonly meshName: string;
  readonly clock: Clock;
  readonly registration: Registration;
  readonly knownMethods: ReadonlySet<string>;
  readonly services = new BoundedNames(maxNames);
  readonly clusters = new BoundedNames(maxNames);
  readonly virtualClusters = new BoundedNames(maxNames);
  readonly grpcMethods = new BoundedNames(maxNames);
  /** Those that handlers of calls that came in know. */
  readonly servedGrpcMethods = new BoundedNames(maxNames);
  readonly routes = new BoundedNames(maxNames);
  readonly policies = new BoundedNames(maxNames);
  /** Set in a mesh that counts requests by workloads too. */
  readonly workload: WorkloadScope | undefined;
  constructor(
    meshName: string,
    registration: Registration,
    knownMethods: string | undefined,
    workload: WorkloadScope | undefined,
    clock: Clock,
  ) {
    this.meshName = meshName;
    this.clock = clock;
    this.registration = registration;
    this.workload = workload;
    this.knownMethods = createKnownMethods(knownMethods);
  }
}
