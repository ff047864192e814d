/** An ADS client that runs against a scripted server, with a clock that is moved by hand. */
import type { TestContext } from 'node:test';
import { seededRandom, systemClock, type Clock } from '../../src/base/runtime.ts';
import { createAdsClient, type AdsOptions } from '../../src/control-plane/xds/client/ads-client.ts';
import type {
  AdsClient,
  AdsListener,
  AdsResponse,
  ReceivedResource,
  TypeUrl,
} from '../../src/control-plane/xds/client/contract.ts';
import type { ControlPlaneStatus } from '../../src/model/contracts.ts';
import { createVirtualClock } from '../../src/testing/virtual-clock.ts';
import { startAdsServer, type AdsServer, type AdsServerOptions } from './ads-server.ts';

export const variants = ['state-of-the-world', 'delta'] as const;

/** Virtual time over real sockets. */
export interface AdsClock extends Clock {
  advance(ms: number): Promise<void>;
  /** Lets sockets and promises come to rest without time going on. */
  rest(): Promise<void>;
  /** Goes on, by 100 ms, until the server has seen so many streams. */
  untilOpen(server: AdsServer, streams: number): Promise<void>;
}

/** What a client told its listener. */
export interface Heard extends AdsListener {
  readonly responses: AdsResponse[];
  readonly absent: { readonly typeUrl: TypeUrl; readonly name: string; readonly reason: string }[];
  readonly statuses: ControlPlaneStatus[];
  /** Gives the reason for which a resource is refused. */
  refuse: (resource: ReceivedResource, typeUrl: TypeUrl) => string | undefined;
  /** What the check of a response takes. */
  check: (response: AdsResponse) => Promise<void>;
  /** Names that came of a kind, in order. */
  names(typeUrl: TypeUrl): string[];
  /** Resolves when what was heard, past or coming, fits. */
  until(fits: (heard: Heard) => boolean): Promise<void>;
}

/** A clock that stands still, except that sockets are read. */
export function adsClock(): AdsClock {
  const virtual = createVirtualClock();
  return {
    ...virtual,
    // Sockets of this process need a few turns from one end to the other.
    rest: async () => {
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
    },
    afterReading: (callback) => systemClock.afterReading!(callback),
    async untilOpen(server, streams) {
      while (server.metadata.length < streams) {
        await virtual.advance(100);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    },
  };
}

/** A listener that keeps what it hears. */
export function createHeard(): Heard {
  const waiting = new Set<() => void>();
  const changed = (): void => {
    for (const check of waiting) check();
  };
  const heard: Heard = {
    responses: [],
    absent: [],
    statuses: [],
    refuse: () => undefined,
    check: () => Promise.resolve(),
    names: (typeUrl) =>
      heard.responses
        .filter((response) => response.typeUrl === typeUrl)
        .flatMap((response) => response.resources.map(({ name }) => name)),
    until: (fits) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (!fits(heard)) return;
          waiting.delete(check);
          resolve();
        };
        waiting.add(check);
        check();
      }),
    async onResponse(response) {
      heard.responses.push(response);
      changed();
      await heard.check(response);
      return response.resources.flatMap((resource) => {
        const reason = heard.refuse(resource, response.typeUrl);
        return reason === undefined ? [] : [{ name: resource.name, reason }];
      });
    },
    onAbsent(typeUrl, name, reason) {
      heard.absent.push({ typeUrl, name, reason });
      changed();
    },
    onStatus(status) {
      heard.statuses.push(status);
      changed();
    },
  };
  return heard;
}

/** A server and a client of it that runs until the test is over. */
export async function withClient(
  test: TestContext,
  options: Partial<AdsOptions> & { readonly server?: AdsServerOptions; readonly others?: readonly string[] } = {},
): Promise<{ readonly client: AdsClient; readonly server: AdsServer; readonly heard: Heard; readonly clock: AdsClock }> {
  const { server: serverOptions, others = [], ...clientOptions } = options;
  const server = await startAdsServer(serverOptions);
  const clock = adsClock();
  const heard = createHeard();
  const client = createAdsClient({
    servers: [server.address, ...others].map((address) => ({ address, credentials: { kind: 'plaintext' } })),
    node: { id: 'test' },
    clock,
    random: seededRandom(1),
    ...clientOptions,
  });
  const abort = new AbortController();
  const running = client.run(heard, abort.signal);
  test.after(async () => {
    abort.abort();
    server.close();
    await running;
  });
  return { client, server, heard, clock };
}
