import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { InboundRateLimit, InboundRateLimits } from '../../../../src/data-plane/inbound/inbound-rate-limit.ts';

const bucket = (maxTokens: number) => ({ maxTokens, tokensPerFill: 1, fillIntervalMs: 1000 });
const ada = 'spiffe://example.org/ada';
const bob = 'spiffe://example.org/bob';

/** How many of so many requests are let in. */
function letIn(limit: InboundRateLimit, identity: string | undefined, count: number, now = 0): number {
  return Array.from({ length: count }, () => limit.check(identity, now)).filter((refused) => refused === undefined).length;
}

describe('a local rate limit of the way in', () => {
  it('lets in what the bucket has, and again as it fills', () => {
    const limit = new InboundRateLimit(bucket(3));
    assert.equal(letIn(limit, undefined, 5), 3);
    assert.equal(letIn(limit, undefined, 5, 2000), 2);
  });

  it('refuses as Envoy does, and says when to come again', () => {
    const limit = new InboundRateLimit({
      maxTokens: 1,
      tokensPerFill: 2,
      fillIntervalMs: 5000,
      responseHeaders: { set: [['X-Limited', 'yes']], add: [['x-limited', 'local']] },
    });
    letIn(limit, undefined, 1);
    const refused = limit.check(undefined, 0);
    assert.deepEqual(
      [refused?.status, refused?.body, refused?.flag, refused?.details],
      [429, 'local_rate_limited', 'RL', 'local_rate_limited'],
    );
    // 5 s / 2 tokens = 2.5 s to the next one.
    assert.deepEqual(refused?.headers, { 'retry-after': '3', 'x-limited': ['yes', 'local'] });
  });

  it('gives each identity a bucket, and one to all that have none', () => {
    const limit = new InboundRateLimit({ ...bucket(100), perIdentity: bucket(2) });
    assert.deepEqual(
      [ada, bob, undefined, undefined].map((identity) => letIn(limit, identity, 2)),
      [2, 2, 2, 0],
    );
  });

  it('gives a group of identities one bucket in place of their own', () => {
    const limit = new InboundRateLimit({
      ...bucket(100),
      perIdentity: bucket(1),
      overrides: [{ identities: [{ kind: 'prefix', value: 'spiffe://example.org/' }], bucket: bucket(3) }],
    });
    assert.deepEqual([letIn(limit, ada, 2), letIn(limit, bob, 2)], [2, 1]);
    assert.equal(letIn(limit, 'spiffe://other.org/ada', 2), 1);
  });

  it('tells an identity when its own bucket has a token again, and not when that for everybody has', () => {
    const limit = new InboundRateLimit({
      ...bucket(100),
      perIdentity: { maxTokens: 1, tokensPerFill: 2, fillIntervalMs: 60_000 },
    });
    letIn(limit, ada, 1);
    assert.equal(limit.check(ada, 0)?.headers['retry-after'], '30');
  });

  it('takes nothing from the others for requests of an identity that has used up its own', () => {
    const limit = new InboundRateLimit({ ...bucket(3), perIdentity: bucket(1) });
    assert.equal(letIn(limit, ada, 10), 1);
    assert.equal(limit.remaining(0), 2);
  });

  it('keeps its bucket through an update that leaves it as it was', () => {
    const limits = new InboundRateLimits();
    letIn(limits.limitAt('a', bucket(2)), undefined, 2);
    assert.equal(letIn(limits.limitAt('a', { ...bucket(2) }), undefined, 1), 0);
    assert.equal(letIn(limits.limitAt('b', bucket(2)), undefined, 1), 1);
    assert.equal(letIn(limits.limitAt('a', bucket(3)), undefined, 1), 1);
  });
});
