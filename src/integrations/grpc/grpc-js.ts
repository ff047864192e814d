/**
 * The one module that touches what @grpc/grpc-js calls experimental, and the little of its inside that has no name outside. It is written
 * against one minor version, {@link testedMinor}, and refuses others: a program gets a clear error when it starts, not a strange one later.
 *
 * Used as documented for experiments: registerResolver, registerLoadBalancerType, createResolver, UnavailablePicker, statusOrFromValue.
 * Of the inside:
 * - a load-balancing policy may pick a subchannel of its own making; of it the channel asks `getRealSubchannel().createCall(…)`, the state
 *   and the call credentials (load-balancing-call.js);
 * - the secure connector of a subchannel that the channel makes says which credentials the channel has (subchannel.js).
 *
 * Several copies of grpc-js may be loaded: each has tables and classes of its own, so that everything here takes the copy as an argument.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type * as grpcJs from '@grpc/grpc-js';

/** A loaded copy of @grpc/grpc-js: what `import * as grpc from '@grpc/grpc-js'` or `require` gives. */
export type Grpc = typeof grpcJs;

/** What the mesh is written against and tested with. */
export const testedMinor = '1.14';

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

/** Starts a call: `host` is its `:authority`, `method` its `:path`. What it throws ends the call with INTERNAL. */
export type CreateCall = (
  metadata: grpcJs.Metadata,
  host: string,
  method: string,
  listener: CallListener,
  callNumber: number,
) => SubchannelCall;

/** Throws where `grpc` is no copy of a version that was tested. `version` where the caller knows it. */
export function checkCopy(grpc: Grpc, version = versionOf(grpc)): void {
  const { experimental, ChannelCredentials, CallCredentials, Metadata } = grpc ?? {};
  const parts = [experimental?.registerResolver, experimental?.registerLoadBalancerType, experimental?.createResolver];
  const isWhole = [...parts, ChannelCredentials, CallCredentials, Metadata].every((part) => typeof part === 'function');
  if (isWhole && (version === undefined || version.startsWith(`${testedMinor}.`))) return;
  const what = version === undefined ? 'What was passed as `grpc`' : `@grpc/grpc-js ${version}`;
  throw new RangeError(
    `${what} is no @grpc/grpc-js ${testedMinor}, the version that meshfetch/grpc is written for; run "npm install @grpc/grpc-js@${testedMinor}"`,
  );
}

/** Version of a loaded copy; undefined where it was bundled, or loaded by somebody else than Node. */
export function versionOf(grpc: Grpc): string | undefined {
  const file = loadedCopies().find(({ copy }) => isSameCopy(copy, grpc))?.file;
  return file === undefined ? undefined : versionIn(file);
}

/** Every copy that Node has loaded, with its main file. */
export function loadedCopies(): readonly { readonly file: string; readonly copy: Grpc }[] {
  const found: { file: string; copy: Grpc }[] = [];
  const { cache } = createRequire(import.meta.url);
  for (const file in cache) {
    if (!/[/\\]@grpc[/\\]grpc-js[/\\]build[/\\]src[/\\]index\.js$/.test(file)) continue;
    const copy = cache[file]?.exports as Grpc | undefined;
    if (typeof copy?.ChannelCredentials === 'function') found.push({ file, copy });
  }
  return found;
}

function versionIn(file: string): string | undefined {
  const { version } = createRequire(file)(join(dirname(file), '../../package.json')) as { version?: string };
  return version;
}

/** Whether both are the same copy, one of them perhaps as the namespace that `import *` gives. */
export function isSameCopy(one: Grpc, other: Grpc): boolean {
  return one.ChannelCredentials === other.ChannelCredentials;
}

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

/** Which credentials a channel has: of a subchannel that is made, asked and left alone, since nothing else knows them. */
export function securityOf(grpc: Grpc, helper: ChannelControlHelper): ChannelSecurity {
  const subchannel = helper.createSubchannel({ host: 'mesh', port: 1 }, {});
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

/** What is known of a call when it is made, beside its metadata. */
export interface CallNote {
  /** Call credentials are in the metadata: of the call, or of its channel. */
  readonly hasCredentials: boolean;
  /** Runs something in the async context of the call; where it was queued. */
  readonly scope: Scope | undefined;
}

/** Runs a function in the async context that the scope was made in. */
export type Scope = <R>(run: () => R) => R;

/** Kept from the pick until the call is made of the same metadata. */
const credentialed = new WeakSet<grpcJs.Metadata>();
const scopes = new WeakMap<grpcJs.Metadata, Scope>();

/** What a call that is queued takes along, for {@link callConfig}. */
export function queuedScope(): { readonly scope: Scope } {
  return { scope: AsyncLocalStorage.snapshot() };
}

/** A picker that gives every call the same, and notes of it what {@link noteOf} says. */
export function pickerOf(grpc: Grpc, pick: ReturnType<Picker['pick']>): Picker {
  const { prototype } = grpc.Metadata;
  // The credentials of a call are merged into the metadata that was picked for, and nothing else is.
  function mergeCredentials(this: grpcJs.Metadata, other: grpcJs.Metadata): void {
    credentialed.add(this);
    prototype.merge.call(this, other);
  }
  return {
    pick({ metadata, extraPickInfo }) {
      metadata.merge = mergeCredentials;
      const { scope } = extraPickInfo as { scope?: Scope };
      if (scope !== undefined) scopes.set(metadata, scope);
      return pick;
    },
  };
}

/** Keeps calls until there is another picker. */
export function queueingPicker(grpc: Grpc): Picker {
  const pick = { ...pickOf(grpc, {}), pickResultType: grpc.experimental.PickResultType.QUEUE, subchannel: null };
  return { pick: () => pick };
}

/** What was noted when it was picked for a call of this metadata. */
export function noteOf(metadata: grpcJs.Metadata): CallNote {
  return { hasCredentials: credentialed.has(metadata), scope: scopes.get(metadata) };
}
