/**
 * The one module that touches what @grpc/grpc-js calls experimental, and the little of its inside that has no name outside. It is written
 * against one minor version, and grpc-copies.ts refuses others: a program gets a clear error when it starts, not a strange one later.
 *
 * Used as documented for experiments: registerResolver, registerLoadBalancerType, createResolver, UnavailablePicker, statusOrFromValue.
 * Of the inside:
 * - a load-balancing policy may pick a subchannel of its own making; of it the channel asks `getRealSubchannel().createCall(…)`, the state
 *   and the call credentials (load-balancing-call.js);
 * - the secure connector of a subchannel that the channel makes says which credentials the channel has (subchannel.js);
 * - the wrapper of that subchannel knows its channel, which makes every call by `createResolvingCall` (internal-channel.js).
 *
 * Several copies of grpc-js may be loaded: each has tables and classes of its own, so that everything here takes the copy as an argument.
 */
import type * as grpcJs from '@grpc/grpc-js';

/** A loaded copy of @grpc/grpc-js: what `import * as grpc from '@grpc/grpc-js'` or `require` gives. */
export type Grpc = typeof grpcJs;

/** What a load-balancing policy can call of its channel. */
export type ChannelControlHelper = grpcJs.experimental.ChannelControlHelper;
/** What a resolver tells its results to. */
export type ResolverListener = grpcJs.experimental.ResolverListener;
/** Finds what a target stands for. */
export type Resolver = grpcJs.experimental.Resolver;
/** A target, parsed. */
export type Target = grpcJs.experimental.GrpcUri;
/** Gives each call its configuration. */
export type ConfigSelector = grpcJs.experimental.ConfigSelector;
/** Chooses the subchannel of a call. */
export type Picker = grpcJs.experimental.Picker;

/** Makes resolvers of a scheme. */
export interface ResolverConstructor {
  new (target: Target, listener: ResolverListener, options: grpcJs.ChannelOptions): Resolver;
  getDefaultAuthority(target: Target): string;
}

/** What a call ends with: grpc-js's `StatusObject`, whose numbers are an enumeration that other copies have too. */
export interface CallStatus {
  readonly code: number;
  readonly details: string;
  readonly metadata: grpcJs.Metadata;
}

/** Where the call of a subchannel tells what it hears. */
export interface CallListener {
  onReceiveMetadata(metadata: grpcJs.Metadata): void;
  onReceiveMessage(message: Buffer): void;
  onReceiveStatus(status: CallStatus): void;
}

/** With each message that is written. */
export interface MessageContext {
  /** Calls back when the next one may be written. */
  readonly callback?: (error?: Error | null) => void;
}

/** Who is at the other end, as grpc-js tells its programs. */
export type AuthContext = ReturnType<grpcJs.ClientUnaryCall['getAuthContext']> & object;

/** One call on a subchannel: what grpc-js asks of it (subchannel-call.js). */
export interface SubchannelCall {
  cancelWithStatus(status: number, details: string): void;
  getPeer(): string;
  sendMessageWithContext(context: MessageContext, message: Buffer): void;
  startRead(): void;
  halfClose(): void;
  getCallNumber(): number;
  getDeadlineInfo(): string[];
  getAuthContext(): AuthContext | null;
}

/** One call of a channel, as the clients of grpc-js make it (channel.js, client-interceptors.js). */
export interface ChannelCall {
  start(metadata: grpcJs.Metadata, listener: CallListener): void;
  sendMessageWithContext(context: MessageContext, message: Buffer): void;
  startRead(): void;
  halfClose(): void;
  cancelWithStatus(status: number, details: string): void;
  getPeer(): string;
  getCallNumber(): number;
  getAuthContext(): AuthContext | null;
  setCredentials(credentials: grpcJs.CallCredentials): void;
}

/** What a call is made with: path, deadline (milliseconds since 1970, or Infinity), `:authority`, and the call that it is a part of. */
export type CallArguments = readonly [
  method: string,
  deadline: Date | number,
  host?: string | null,
  parent?: object | null,
  propagateFlags?: number | null,
];

/** Turns the metadata and messages of a response that is compressed into plain ones. */
export interface ResponseFilter {
  receiveMetadata(metadata: grpcJs.Metadata): grpcJs.Metadata;
  /** With its frame; without it. Rejects with a status. */
  receiveMessage(message: Buffer): Promise<Buffer>;
}

/** Makes the calls of a channel instead of grpc-js. */
export type MakeCall = (channel: TakenChannel, args: CallArguments) => ChannelCall;

/** The inside of a channel. */
interface InnerChannel {
  createResolvingCall: (...args: CallArguments) => ChannelCall;
  readonly defaultAuthority: string;
  readonly filterStackFactory: { clone(): { createFilter(): ResponseFilter } };
  getTarget(): string;
  onCallStart(): void;
  onCallEnd(status: CallStatus): void;
}

/** A channel whose calls somebody else makes. */
export interface TakenChannel {
  readonly authority: string;
  readonly target: string;
  /** A call by the layers of grpc-js. */
  createLayeredCall(...args: CallArguments): ChannelCall;
  createResponseFilter(): ResponseFilter;
  /** Counted for channelz, and so that the channel does not go idle meanwhile. */
  onCallStart(): void;
  onCallEnd(status: CallStatus): void;
}

/**
 * Has `makeCall` make the calls of the channel of a subchannel, until what is returned is called. undefined where the channel is not to
 * be found: then its calls come by way of the pick.
 */
export function takeCalls(subchannel: OwnSubchannel, makeCall: MakeCall): (() => void) | undefined {
  const { channel } = subchannel as unknown as { readonly channel?: InnerChannel };
  if (typeof channel?.createResolvingCall !== 'function') return undefined;
  const createLayeredCall = (Object.getPrototypeOf(channel) as InnerChannel).createResolvingCall;
  const taken: TakenChannel = {
    authority: channel.defaultAuthority,
    target: channel.getTarget(),
    createLayeredCall: (...args) => createLayeredCall.apply(channel, args),
    createResponseFilter: () => channel.filterStackFactory.clone().createFilter(),
    onCallStart: () => channel.onCallStart(),
    onCallEnd: (status) => channel.onCallEnd(status),
  };
  const own = (...args: CallArguments): ChannelCall => makeCall(taken, args);
  channel.createResolvingCall = own;
  return () => {
    if (channel.createResolvingCall === own) channel.createResolvingCall = createLayeredCall;
  };
}

/** Starts a call: `host` is its `:authority`, `method` its `:path`. What it throws ends the call with INTERNAL. */
export type CreateCall = (
  metadata: grpcJs.Metadata,
  host: string,
  method: string,
  listener: CallListener,
  callNumber: number,
) => SubchannelCall;

/** Has the copy resolve targets of a scheme by this class. */
export function registerScheme(grpc: Grpc, scheme: string, resolver: ResolverConstructor): void {
  grpc.experimental.registerResolver(scheme, resolver);
}

/** The class that the copy resolves a scheme by now. */
export function resolverOf(grpc: Grpc, scheme: string): ResolverConstructor {
  // Nothing is looked up before it is asked to.
  const sample = grpc.experimental.createResolver({ scheme, path: 'localhost:1' }, () => true, {});
  sample.destroy();
  return sample.constructor as ResolverConstructor;
}

/** Has the copy know a load-balancing policy without options. */
export function registerPolicy(grpc: Grpc, name: string, create: (helper: ChannelControlHelper) => Policy): void {
  class MeshPolicy {
    private readonly policy: Policy;
    constructor(helper: ChannelControlHelper) {
      this.policy = create(helper);
    }
    updateAddressList(_endpoints: unknown, _config: unknown, options: grpcJs.ChannelOptions): boolean {
      this.policy.update(options);
      return true;
    }
    exitIdle(): void {}
    resetBackoff(): void {}
    destroy(): void {
      this.policy.close();
    }
    getTypeName(): string {
      return name;
    }
  }
  class MeshPolicyConfig {
    static createFromJson(): MeshPolicyConfig {
      return new MeshPolicyConfig();
    }
    getLoadBalancerName(): string {
      return name;
    }
    toJsonObject(): object {
      return { [name]: {} };
    }
  }
  grpc.experimental.registerLoadBalancerType(name, MeshPolicy, MeshPolicyConfig);
}

/** What a load-balancing policy of the mesh does. */
export interface Policy {
  /** The resolver has spoken; the options are those of the channel, with what the resolver adds. */
  update(options: grpcJs.ChannelOptions): void;
  close(): void;
}

/** What {@link resolve} tells the channel. */
export interface Resolution {
  /** Name of the policy that takes over. */
  readonly policy: string;
  /** Handed to it among the options of the channel. */
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly selector: ConfigSelector;
}

/** Tells a channel what its target stands for: a policy, and no addresses. */
export function resolve(grpc: Grpc, listener: ResolverListener, { policy, attributes, selector }: Resolution): void {
  const { statusOrFromValue, CHANNEL_ARGS_CONFIG_SELECTOR_KEY } = grpc.experimental;
  listener(
    statusOrFromValue<grpcJs.experimental.Endpoint[]>([]),
    { ...attributes, [CHANNEL_ARGS_CONFIG_SELECTOR_KEY]: selector },
    // One from the resolver stands in the place of the channel's own (`grpc.service_config`), whose timeouts and retries do not hold then.
    statusOrFromValue({ loadBalancingConfig: [{ [policy]: {} }], methodConfig: [] }),
    '',
  );
}

/** The same for all calls; `pickInformation` reaches the picker. */
export function callConfig(grpc: Grpc, pickInformation: object): ReturnType<ConfigSelector['invoke']> {
  return {
    methodConfig: { name: [] },
    pickInformation: pickInformation as Record<string, string>,
    status: grpc.status.OK,
    dynamicFilterFactories: [],
  };
}

/** A subchannel whose calls are made by `createCall`. It is always ready, and connects nowhere. */
export function subchannelOf(createCall: CreateCall, credentials: grpcJs.CallCredentials, address: string): object {
  const real = { createCall };
  return {
    getRealSubchannel: () => real,
    getConnectivityState: () => 2,
    getCallCredentials: () => credentials,
    getAddress: () => address,
    getChannelzRef: () => ({ kind: 'subchannel', id: 0, name: address }),
  };
}

/** A pick of such a subchannel, for every call the same. */
export function pickOf(grpc: Grpc, subchannel: object): ReturnType<Picker['pick']> {
  return {
    pickResultType: grpc.experimental.PickResultType.COMPLETE,
    subchannel: subchannel as ReturnType<Picker['pick']>['subchannel'],
    status: null,
    onCallStarted: null,
    onCallEnded: null,
  };
}

/** Credentials of a channel, as far as the mesh asks. */
export interface ChannelSecurity {
  /** Made by {@link meshCredentials}: what it was given. */
  readonly mark: unknown;
  /** The program said `createInsecure()`: plaintext is what it wants. */
  readonly isInsecure: boolean;
  /** Of the channel, for each of its calls. */
  readonly callCredentials: grpcJs.CallCredentials;
}

/** A subchannel of grpc-js's own. */
export type OwnSubchannel = ReturnType<ChannelControlHelper['createSubchannel']>;

/** One that the channel makes for its policy, to be asked and left alone: nothing else shows a policy its channel. */
export function ownSubchannel(helper: ChannelControlHelper): OwnSubchannel {
  return helper.createSubchannel({ host: 'mesh', port: 1 }, {});
}

/** Which credentials the channel of a subchannel has. */
export function securityOf(grpc: Grpc, subchannel: OwnSubchannel): ChannelSecurity {
  const { secureConnector } = subchannel.getRealSubchannel() as unknown as { readonly secureConnector: object };
  return {
    mark: (secureConnector as Partial<MarkedConnector>)[markKey],
    isInsecure: isInsecureConnector(grpc, secureConnector),
    callCredentials: subchannel.getCallCredentials(),
  };
}

/** Of the connectors that grpc-js 1.14 makes, that of insecure credentials alone is of no class. */
function isInsecureConnector(grpc: Grpc, connector: object): boolean {
  const sample = grpc.credentials.createInsecure()._createSecureConnector({ path: 'mesh' }, {});
  return Object.getPrototypeOf(sample) === Object.prototype && Object.getPrototypeOf(connector) === Object.prototype;
}

/** The same in every copy of this package. */
const markKey: unique symbol = Symbol.for('meshfetch.grpc.mark') as never;

/** Stands where grpc-js would secure a socket of its own. */
class MarkedConnector {
  readonly [markKey]: unknown;
  private readonly credentials: grpcJs.CallCredentials;
  constructor(mark: unknown, credentials: grpcJs.CallCredentials) {
    this[markKey] = mark;
    this.credentials = credentials;
  }
  connect(): Promise<never> {
    return Promise.reject(new Error('credentials of a mesh are for targets of the mesh: write mesh:///service'));
  }
  async waitForReady(): Promise<void> {}
  getCallCredentials(): grpcJs.CallCredentials {
    return this.credentials;
  }
  destroy(): void {}
}

/**
 * Channel credentials that carry `mark`. To grpc-js they are secure, so that call credentials may be added to them; that those travel
 * over TLS alone is for whoever makes the calls to see to.
 */
export function markedCredentials(grpc: Grpc, mark: object): grpcJs.ChannelCredentials {
  class MeshCredentials extends grpc.ChannelCredentials {
    readonly mark = mark;
    override _isSecure(): boolean {
      return true;
    }
    override _equals(other: grpcJs.ChannelCredentials): boolean {
      return other instanceof MeshCredentials && other.mark === this.mark;
    }
    override _createSecureConnector(
      _target: Target,
      _options: grpcJs.ChannelOptions,
      credentials?: grpcJs.CallCredentials,
    ): MarkedConnector {
      return new MarkedConnector(mark, credentials ?? grpc.CallCredentials.createEmpty());
    }
  }
  return new MeshCredentials();
}
