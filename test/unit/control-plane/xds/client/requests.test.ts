/** What is said on a stream, request by request, without a network. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { typeUrls } from '../../../../../src/control-plane/xds/client/contract.ts';
import { createDeltaProtocol } from '../../../../../src/control-plane/xds/client/delta-protocol.ts';
import { refusalText } from '../../../../../src/control-plane/xds/client/discovery-requests.ts';
import type { DiscoveryResponse } from '../../../../../src/control-plane/xds/client/discovery-responses.ts';
import { createServerMemory } from '../../../../../src/control-plane/xds/client/server-memory.ts';
import { createSubscriptions, type Subscriptions } from '../../../../../src/control-plane/xds/client/subscriptions.ts';
import { createWholeProtocol } from '../../../../../src/control-plane/xds/client/whole-protocol.ts';
import { readRequest, type SeenRequest } from '../../../../support/ads-messages.ts';

const { cluster, endpoints } = typeUrls;

function responseOf(typeUrl: string, nonce: string, version = nonce, names: readonly string[] = []): DiscoveryResponse {
  const resources = names.map((name) => ({ name, version, bytes: new Uint8Array() }));
  return { typeUrl, version, nonce, controlPlane: '', resources, heartbeats: [], removed: [], errors: [], broken: [] };
}

function setUp(
  create: typeof createWholeProtocol,
  subscriptions: Subscriptions = createSubscriptions(),
  memory = createServerMemory(),
) {
  const protocol = create(subscriptions, memory, Uint8Array.of(10, 1, 110));
  const read = (bytes: Uint8Array | undefined): SeenRequest | undefined =>
    bytes === undefined ? undefined : readRequest(bytes, protocol.variant, 0);
  return {
    want: (typeUrl: string, ...names: string[]) => names.forEach((name) => subscriptions.of(typeUrl).wanted.add(name)),
    leave: (typeUrl: string, ...names: string[]) => names.forEach((name) => subscriptions.of(typeUrl).wanted.delete(name)),
    request: (typeUrl: string) => read(protocol.request(typeUrl)),
    receive: (response: DiscoveryResponse) => protocol.receive(response),
    lose: (typeUrl: string, name: string) => protocol.lose(typeUrl, name),
    dismiss: (response: DiscoveryResponse) => read(protocol.dismiss(response)),
    /** Receives and answers; what was accepted is in force. */
    take: (response: DiscoveryResponse, error?: string) => {
      protocol.receive(response);
      if (error === undefined) for (const { name } of response.resources) subscriptions.of(response.typeUrl).inForce.add(name);
      protocol.checked(response, error === undefined ? response.resources : []);
      return read(protocol.answer(response, error));
    },
    haveFromElsewhere: (typeUrl: string, name: string) => subscriptions.of(typeUrl).inForce.add(name),
    loseFromForce: (typeUrl: string, name: string) => subscriptions.of(typeUrl).inForce.delete(name),
    again: () => setUp(create, subscriptions, memory),
  };
}

const whole = (request: SeenRequest | undefined): readonly [string, string, readonly string[], ...string[]] | undefined =>
  request && [request.version, request.nonce, request.names, ...(request.error === undefined ? [] : [request.error.message])];

describe('requests of the state-of-the-world variant', () => {
  it('have the node in the first one of a stream only, whatever the kind', () => {
    const stream = setUp(createWholeProtocol);
    stream.want(cluster, '*');
    stream.want(endpoints, 'a');
    assert.deepEqual([...stream.request(cluster)!.node!], [10, 1, 110]);
    assert.equal(stream.request(endpoints)!.node, undefined);
    assert.notEqual(stream.again().request(endpoints)!.node, undefined);
  });

  it('acknowledge with the version and the nonce of the response, and all names', () => {
    const stream = setUp(createWholeProtocol);
    stream.want(endpoints, 'a', 'b');
    assert.deepEqual(whole(stream.request(endpoints)), ['', '', ['a', 'b']]);
    assert.deepEqual(whole(stream.take(responseOf(endpoints, 'n1', 'v1'))), ['v1', 'n1', ['a', 'b']]);
  });

  it('refuse with the version before, the nonce of what is refused, and the reasons', () => {
    const stream = setUp(createWholeProtocol);
    stream.want(endpoints, 'a');
    stream.request(endpoints);
    assert.deepEqual(whole(stream.take(responseOf(endpoints, 'n1', 'v1'), 'a: bad')), ['', 'n1', ['a'], 'a: bad']);
    stream.take(responseOf(endpoints, 'n2', 'v2'));
    assert.deepEqual(whole(stream.take(responseOf(endpoints, 'n3', 'v3'), 'a: bad')), ['v2', 'n3', ['a'], 'a: bad']);
  });

  it('say nothing when nothing changed', () => {
    const stream = setUp(createWholeProtocol);
    assert.equal(stream.request(endpoints), undefined);
    stream.want(endpoints, 'a');
    stream.request(endpoints);
    assert.equal(stream.request(endpoints), undefined);
    stream.leave(endpoints, 'a');
    stream.want(endpoints, 'a');
    assert.equal(stream.request(endpoints), undefined);
  });

  it('name what is left when something is unsubscribed from, with the latest nonce', () => {
    const stream = setUp(createWholeProtocol);
    stream.want(endpoints, 'a', 'b');
    stream.request(endpoints);
    stream.take(responseOf(endpoints, 'n1', 'v1', ['a', 'b']));
    stream.leave(endpoints, 'a');
    assert.deepEqual(whole(stream.request(endpoints)), ['v1', 'n1', ['b']]);
  });

  it('keep the nonce while nothing of a kind is wanted, and claim no version for what was thrown away', () => {
    const stream = setUp(createWholeProtocol);
    stream.want(endpoints, 'a');
    stream.request(endpoints);
    stream.take(responseOf(endpoints, 'n1', 'v1', ['a']));
    stream.leave(endpoints, 'a');
    assert.deepEqual(whole(stream.request(endpoints)), ['', 'n1', []]);
    // A response that was on its way: it is not acknowledged, and its nonce is the one to use from now on.
    const late = responseOf(endpoints, 'n2', 'v2', ['a']);
    assert.equal(stream.receive(late), false);
    assert.equal(stream.dismiss(late), undefined);
    stream.want(endpoints, 'b');
    assert.deepEqual(whole(stream.request(endpoints)), ['', 'n2', ['b']]);
  });

  it('bear the nonce of a response that came before anything of its kind was wanted', () => {
    const stream = setUp(createWholeProtocol);
    assert.equal(stream.receive(responseOf(endpoints, 'n9')), false);
    stream.want(endpoints, 'a');
    assert.deepEqual(whole(stream.request(endpoints)), ['', 'n9', ['a']]);
  });

  it('wait while a response of the kind is checked: the answer names what is wanted then', () => {
    const stream = setUp(createWholeProtocol);
    stream.want(endpoints, 'a');
    stream.request(endpoints);
    const response = responseOf(endpoints, 'n1', 'v1');
    stream.receive(response);
    stream.want(endpoints, 'b');
    assert.equal(stream.request(endpoints), undefined);
    assert.deepEqual(whole(stream.take(response)), ['v1', 'n1', ['a', 'b']]);
  });

  it('ask again for what was left and wanted again while a response was checked', () => {
    const stream = setUp(createWholeProtocol);
    stream.want(endpoints, 'a');
    stream.request(endpoints);
    const response = responseOf(endpoints, 'n1', 'v1');
    stream.receive(response);
    stream.leave(endpoints, 'a');
    stream.lose(endpoints, 'a');
    stream.want(endpoints, 'a');
    // Without the version: the server sends everything again. In two requests, for one that compares names.
    assert.deepEqual(whole(stream.take(response)), ['', 'n1', []]);
    assert.deepEqual(whole(stream.request(endpoints)), ['', 'n1', ['a']]);
    assert.equal(stream.request(endpoints), undefined);
  });

  it('end the subscription in the answer when nothing is wanted any more', () => {
    const stream = setUp(createWholeProtocol);
    stream.want(endpoints, 'a');
    stream.request(endpoints);
    const response = responseOf(endpoints, 'n1', 'v1');
    stream.receive(response);
    stream.leave(endpoints, 'a');
    assert.deepEqual(whole(stream.take(response)), ['', 'n1', []]);
  });

  it('ask for all clusters by an empty list, as servers understand that know no *', () => {
    const stream = setUp(createWholeProtocol);
    stream.want(cluster, '*');
    assert.deepEqual(whole(stream.request(cluster)), ['', '', []]);
    assert.deepEqual(whole(stream.take(responseOf(cluster, 'n1', 'v1'))), ['v1', 'n1', []]);
  });

  it('say * beside names, and once names were sent', () => {
    const stream = setUp(createWholeProtocol);
    stream.want(cluster, '*', 'a');
    assert.deepEqual(whole(stream.request(cluster))?.[2], ['*', 'a']);
    stream.leave(cluster, 'a');
    assert.deepEqual(whole(stream.request(cluster))?.[2], ['*']);
    const other = setUp(createWholeProtocol);
    other.want(cluster, 'a');
    other.request(cluster);
    other.want(cluster, '*');
    assert.deepEqual(whole(other.request(cluster))?.[2], ['a', '*']);
  });

  it('say * for other kinds, in which an empty list means nothing', () => {
    const stream = setUp(createWholeProtocol);
    stream.want(endpoints, '*');
    assert.deepEqual(whole(stream.request(endpoints))?.[2], ['*']);
  });

  it('never become a subscription to everything by losing the last name', () => {
    const stream = setUp(createWholeProtocol);
    stream.want(cluster, 'a');
    stream.request(cluster);
    stream.leave(cluster, 'a');
    // Names were sent on this stream, so that the empty list is none.
    assert.deepEqual(whole(stream.request(cluster))?.[2], []);
    // On a new one it would be everything: nothing is said.
    assert.equal(stream.again().request(cluster), undefined);
  });

  it('say nothing to take back a subscription that was made by an empty list, and ask anew later', () => {
    const stream = setUp(createWholeProtocol);
    stream.want(cluster, '*');
    stream.request(cluster);
    stream.take(responseOf(cluster, 'n1', 'v1', ['a']));
    stream.leave(cluster, '*');
    assert.equal(stream.request(cluster), undefined);
    stream.want(cluster, '*');
    assert.deepEqual(whole(stream.request(cluster)), ['', 'n1', []]);
  });

  it('tell a new stream the version that was accepted, without a nonce', () => {
    const stream = setUp(createWholeProtocol);
    stream.want(endpoints, 'a');
    stream.request(endpoints);
    stream.take(responseOf(endpoints, 'n1', 'v1', ['a']));
    stream.take(responseOf(endpoints, 'n2', 'v2', ['a']), 'a: bad');
    assert.deepEqual(whole(stream.again().request(endpoints)), ['v1', '', ['a']]);
  });

  it('claim no version before the first response of a stream once something more is wanted', () => {
    const stream = setUp(createWholeProtocol);
    stream.want(endpoints, 'a');
    stream.request(endpoints);
    stream.take(responseOf(endpoints, 'n1', 'v1', ['a']));
    const next = stream.again();
    assert.deepEqual(whole(next.request(endpoints)), ['v1', '', ['a']]);
    next.want(endpoints, 'b');
    assert.deepEqual(whole(next.request(endpoints)), ['', '', ['a', 'b']]);
  });

  it('leave what was thrown away a second time, and no third, when a response had made the server deaf to the first', () => {
    const stream = setUp(createWholeProtocol);
    stream.want(endpoints, 'a', 'b');
    stream.request(endpoints);
    stream.take(responseOf(endpoints, 'n1', 'v1', ['a', 'b']));
    stream.leave(endpoints, 'a');
    stream.loseFromForce(endpoints, 'a');
    stream.lose(endpoints, 'a');
    stream.want(endpoints, 'a');
    const asked = () => [whole(stream.request(endpoints))?.slice(1), whole(stream.request(endpoints))?.slice(1)];
    assert.deepEqual(asked(), [
      ['n1', ['b']],
      ['n1', ['b', 'a']],
    ]);
    assert.deepEqual(whole(stream.take(responseOf(endpoints, 'n2', 'v2', ['b'])))?.slice(1), ['n2', ['b']]);
    assert.deepEqual(asked(), [['n2', ['b', 'a']], undefined]);
    assert.deepEqual(whole(stream.take(responseOf(endpoints, 'n3', 'v3', ['b'])))?.slice(1), ['n3', ['b', 'a']]);
    assert.deepEqual(asked(), [undefined, undefined]);
  });

  it('say names that changed once more without the error after a NACK', () => {
    const stream = setUp(createWholeProtocol);
    stream.want(endpoints, 'a');
    stream.request(endpoints);
    const response = responseOf(endpoints, 'n1', 'v1', ['a']);
    stream.receive(response);
    stream.want(endpoints, 'b');
    assert.deepEqual(whole(stream.take(response, 'a: bad')), ['', 'n1', ['a', 'b'], 'a: bad']);
    assert.deepEqual(whole(stream.request(endpoints)), ['', 'n1', ['a', 'b']]);
    assert.equal(stream.request(endpoints), undefined);
  });

  it('claim no version on a new stream when something that is wanted never came', () => {
    const stream = setUp(createWholeProtocol);
    stream.want(endpoints, 'a', 'b');
    stream.request(endpoints);
    stream.take(responseOf(endpoints, 'n1', 'v1', ['a']));
    assert.deepEqual(whole(stream.again().request(endpoints)), ['', '', ['a', 'b']]);
  });
});

describe('requests of the incremental variant', () => {
  const delta = (request: SeenRequest | undefined) =>
    request && [request.nonce, request.names, request.unsubscribed, request.initialVersions];

  it('name what changed only', () => {
    const stream = setUp(createDeltaProtocol);
    stream.want(endpoints, 'a', 'b');
    assert.deepEqual(delta(stream.request(endpoints)), ['', ['a', 'b'], [], {}]);
    assert.equal(stream.request(endpoints), undefined);
    stream.want(endpoints, 'c');
    stream.leave(endpoints, 'a');
    assert.deepEqual(delta(stream.request(endpoints)), ['', ['c'], ['a'], {}]);
  });

  it('answer every response by its nonce and nothing else: names are told beside it', () => {
    const stream = setUp(createDeltaProtocol);
    stream.want(endpoints, 'a');
    stream.request(endpoints);
    assert.deepEqual(delta(stream.take(responseOf(endpoints, 'n1'))), ['n1', [], [], {}]);
    const response = responseOf(endpoints, 'n2');
    stream.receive(response);
    stream.leave(endpoints, 'a');
    const answer = stream.take(response, 'a: bad');
    assert.deepEqual([delta(answer), answer?.error?.message], [['n2', [], [], {}], 'a: bad']);
    assert.deepEqual(delta(stream.request(endpoints)), ['', [], ['a'], {}]);
    // Nothing of the kind is wanted: a server that counts answers gets one.
    const late = responseOf(endpoints, 'n3');
    assert.equal(stream.receive(late), false);
    assert.deepEqual(delta(stream.dismiss(late)), ['n3', [], [], {}]);
  });

  it('ask for all clusters without a name, and say * when a name joins', () => {
    const stream = setUp(createDeltaProtocol);
    stream.want(cluster, '*');
    assert.deepEqual(delta(stream.request(cluster)), ['', [], [], {}]);
    stream.want(cluster, 'a');
    assert.deepEqual(delta(stream.request(cluster)), ['', ['*', 'a'], [], {}]);
    stream.leave(cluster, '*');
    assert.deepEqual(delta(stream.request(cluster)), ['', [], ['*'], {}]);
  });

  it('say * when it is wanted again, once', () => {
    const stream = setUp(createDeltaProtocol);
    stream.want(cluster, '*');
    stream.request(cluster);
    stream.leave(cluster, '*');
    assert.deepEqual(delta(stream.request(cluster)), ['', [], ['*'], {}]);
    stream.want(cluster, '*');
    assert.deepEqual(delta(stream.request(cluster)), ['', ['*'], [], {}]);
  });

  it('tell a new stream the versions of what is wanted and here', () => {
    const stream = setUp(createDeltaProtocol);
    stream.want(endpoints, 'a', 'b', 'c');
    stream.request(endpoints);
    stream.take(responseOf(endpoints, 'n1', 'v1', ['a', 'b']));
    stream.take(responseOf(endpoints, 'n2', 'v2', ['a']), 'a: bad');
    stream.leave(endpoints, 'b');
    assert.deepEqual(delta(stream.again().request(endpoints)), ['', ['a', 'c'], [], { a: 'v1' }]);
  });
});

describe('a version that is known of what is no longer in force', () => {
  it('is told by a name that no server knows when it came from elsewhere, so that the server says whether it is gone', () => {
    const stream = setUp(createDeltaProtocol);
    stream.want(endpoints, 'a', 'b');
    stream.haveFromElsewhere(endpoints, 'a');
    assert.deepEqual(stream.request(endpoints)?.initialVersions, { a: 'not from this server' });
  });

  it('is not told: the server would keep the resource to itself', () => {
    const stream = setUp(createDeltaProtocol);
    stream.want(endpoints, 'a', 'b');
    stream.request(endpoints);
    stream.take(responseOf(endpoints, 'n1', 'v1', ['a', 'b']));
    stream.loseFromForce(endpoints, 'a');
    assert.deepEqual(stream.again().request(endpoints)?.initialVersions, { b: 'v1' });
  });
});

describe('the words of a NACK', () => {
  it('name each resource with its reason', () => {
    assert.equal(
      refusalText([
        { name: 'a', reason: 'one' },
        { name: '', reason: 'two' },
      ]),
      'a: one; a resource without a name: two',
    );
    assert.equal(refusalText([]), undefined);
  });

  it('are bounded, and say how many are left out', () => {
    const many = Array.from({ length: 1000 }, (_, index) => ({ name: `cluster-${index}`, reason: 'x'.repeat(1000) }));
    const text = refusalText(many)!;
    assert.ok(text.length < 4100, String(text.length));
    // 4000 characters / (400 + "cluster-0: " + "…" + "; ") = 9 fit.
    assert.match(text, /; and 991 more$/);
  });
});
