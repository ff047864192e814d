/**
 * The way out to one cluster, past routing: for requests of the mesh's own while it decides about one that came in (an authorizer that is
 * asked, keys that are fetched). They are calls like any other: the cluster's balancing, limits, TLS, detection and telemetry hold, and
 * `mesh.close()` waits for them. Nothing repeats them.
 */
import { Dispatcher } from 'undici';
import { MeshError } from '../base/errors.ts';
import { Call } from './outbound.ts';
import type { CallContext } from './outbound-context.ts';
import { parseOrigin, type OriginEntry } from './origin.ts';
import { unreadable } from './request-shape.ts';
import { compileVirtualHost } from './routing/compile-routes.ts';
import type { CompiledVirtualHost } from './routing/compiled-route.ts';
import type { DispatchOptions } from './send-options.ts';

/** A dispatcher whose requests all go to one cluster; the origin of each gives its Host header and no more. */
export class ClusterDispatcher extends Dispatcher {
  private readonly context: CallContext;
  private readonly virtualHost: CompiledVirtualHost;
  private readonly isMeshClosed: () => boolean;

  /** `source` = the control plane that names the cluster; it is looked for there first, then in the others. */
  constructor(context: CallContext, source: string, cluster: string, isMeshClosed: () => boolean) {
    super();
    this.context = context;
    this.isMeshClosed = isMeshClosed;
    this.virtualHost = compileVirtualHost(
      {
        name: cluster,
        domains: ['*'],
        routes: [{ name: cluster, match: {}, action: { kind: 'forward', to: [{ cluster, weight: 1 }] } }],
      },
      { policies: [], mostSpecificHeadersWin: false },
      { source, version: '', slot: (name) => context.config.keptSlot(source, name) },
    );
  }

  override dispatch(options: DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const call = new Call(this.context, options, handler);
    try {
      call.entry = this.entryOf(String(options.origin));
    } catch (error) {
      call.refuse(unreadable(error));
      return true;
    }
    if (this.isMeshClosed()) call.refuse(new MeshError('MESH_CLOSED', 'the mesh was closed, and asks nobody any more'));
    else call.start();
    return true;
  }

  private entryOf(origin: string): OriginEntry {
    return { ...parseOrigin(origin), virtualHost: this.virtualHost, isLastResort: false };
  }
}
