/**
 * A channel of grpc-js on the mesh. Its resolver says what the target stands for, without an address; its load-balancing policy has one
 * subchannel, the mesh, which is always ready: whether somebody can take a call is a question of the call, since a route may send each
 * elsewhere.
 *
 * The resolver answers at once. Asynchronously, as those of grpc-js do, the first calls of a channel would go on in the async context of
 * whichever came first, and inherit its deadline and baggage.
 */
import type { ChannelOptions } from '@grpc/grpc-js';
import type { Dispatcher } from 'undici';
import { reconnectBackoff } from '../../base/backoff.ts';
import { heldTimer, systemRandom } from '../../base/runtime.ts';
import type { Mesh } from '../../mesh-interface.ts';
import { MeshCall, type CallHeaders } from './call.ts';
import type { ChannelContext } from './channel-context.ts';
import { directCalls } from './direct-call.ts';
import { versionOf } from './grpc-copies.ts';
import {
  callConfig,
  ownSubchannel,
  pickOf,
  registerPolicy,
  resolve,
  securityOf,
  subchannelOf,
  takeCalls,
  type ChannelControlHelper,
  type ChannelSecurity,
  type ConfigSelector,
  type CreateCall,
  type Grpc,
  type Policy,
  type Resolver,
  type ResolverListener,
} from './grpc-js.ts';
import { noteOf, pickerOf, queuedScope, queueingPicker } from './pickers.ts';

/** Name of the load-balancing policy in grpc-js's table. */
export const policyName = 'meshfetch';
/** Where the resolver leaves the target for the policy, among the options of the channel. */
const targetKey = 'meshfetch.target';

/** What a target names. */
export interface MeshTarget {
  /** Name of a mesh; empty = the mesh of the credentials, or the only one. */
  readonly mesh: string;
  /** `host` or `host:port`. */
  readonly authority: string;
  /** The mesh that took an ordinary target. */
  readonly taker?: Mesh;
  /** It is not known yet whether a mesh takes it. */
  readonly isAwaited?: true;
}

const grpcDefaultReceiveBytes = 4 * 1024 * 1024;

/** Says of a channel that its target is on the mesh. */
export class MeshResolver implements Resolver {
  private readonly grpc: Grpc;
  private readonly target: MeshTarget;
  private readonly listener: ResolverListener;

  constructor(grpc: Grpc, target: MeshTarget, listener: ResolverListener) {
    this.grpc = grpc;
    this.target = target;
    this.listener = listener;
  }

  updateResolution(): void {
    const { grpc, target } = this;
    const everyCall = callConfig(grpc, {});
    const invoke = target.isAwaited === true ? () => callConfig(grpc, queuedScope()) : () => everyCall;
    const selector: ConfigSelector = { invoke, unref: () => {} };
    resolve(grpc, this.listener, { policy: policyName, attributes: { [targetKey]: target }, selector });
  }

  destroy(): void {}
}

/** Finds the mesh of a channel; throws with what to write instead. */
export type FindMesh = (target: MeshTarget, security: ChannelSecurity) => Mesh;

/** Has the copy know the policy of the mesh. */
export function registerMeshPolicy(grpc: Grpc, findMesh: FindMesh): void {
  registerPolicy(grpc, policyName, (helper) => new MeshPolicy(grpc, helper, findMesh));
}

/** The load-balancing policy: one subchannel, ready from the start. */
class MeshPolicy implements Policy {
  private readonly grpc: Grpc;
  private readonly helper: ChannelControlHelper;
  private readonly findMesh: FindMesh;
  private giveBack: (() => void) | undefined = undefined;

  constructor(grpc: Grpc, helper: ChannelControlHelper, findMesh: FindMesh) {
    this.grpc = grpc;
    this.helper = helper;
    this.findMesh = findMesh;
  }

  update(options: ChannelOptions): void {
    const { grpc, helper } = this;
    this.close();
    const target = options[targetKey] as MeshTarget;
    if (target.isAwaited === true) {
      helper.updateState(grpc.connectivityState.CONNECTING, queueingPicker(grpc), null);
      return;
    }
    const own = ownSubchannel(helper);
    const security = securityOf(grpc, own);
    let mesh: Mesh;
    try {
      mesh = this.findMesh(target, security);
    } catch (error) {
      const details = (error as Error).message;
      const { UnavailablePicker } = grpc.experimental;
      const { TRANSIENT_FAILURE } = grpc.connectivityState;
      helper.updateState(TRANSIENT_FAILURE, new UnavailablePicker({ code: grpc.status.UNAVAILABLE, details }), details);
      return;
    }
    const context = contextOf(grpc, target, mesh.dispatcher, security, options);
    const makeCall = directCalls(context, security.callCredentials, options);
    if (makeCall !== undefined) this.giveBack = takeCalls(own, makeCall);
    // By way of the pick come those that were queued before the channel was ready.
    const createCall: CreateCall = (metadata, authority, method, listener, number) => {
      // The channel has failed the call by then, and would leave the request open for ever.
      if (metadata.get('authorization').length > 1) throw new TypeError('"authorization" has more than one value');
      const waitsForReady = metadata.getOptions().waitForReady === true;
      const start = { authority, method, number, waitsForReady, ...noteOf(metadata) };
      return new MeshCall(context, metadata.toHttp2Headers() as CallHeaders, listener, start);
    };
    const pick = pickOf(grpc, subchannelOf(createCall, security.callCredentials, target.authority));
    helper.updateState(grpc.connectivityState.READY, pickerOf(grpc, pick), null);
  }

  close(): void {
    this.giveBack?.();
    this.giveBack = undefined;
  }
}

function contextOf(
  grpc: Grpc,
  { authority }: MeshTarget,
  dispatcher: Dispatcher,
  security: ChannelSecurity,
  options: ChannelOptions,
): ChannelContext {
  // What the program secures by itself must not be sent in plaintext; with the credentials of a mesh it is the mesh that knows.
  const isSecure = !security.isInsecure && security.mark === undefined;
  const origin = new URL(`${isSecure ? 'https' : 'http'}://${authority}`);
  const { 'grpc.primary_user_agent': primary, 'grpc.secondary_user_agent': secondary } = options;
  const initialMs = options['grpc.initial_reconnect_backoff_ms'];
  const maxMs = options['grpc.max_reconnect_backoff_ms'];
  return {
    grpc,
    dispatcher,
    origin: origin.origin,
    authority: origin.host,
    userAgent: [primary, `grpc-node-js/${versionOf(grpc) ?? 'bundled'}`, secondary].filter(Boolean).join(' '),
    maxReceiveBytes: options['grpc.max_receive_message_length'] ?? grpcDefaultReceiveBytes,
    allowsPlaintextCredentials: security.isInsecure,
    wait: (failures, again) => heldTimer(again, reconnectBackoff(failures, systemRandom, initialMs, maxMs)),
  };
}
