// What it costs to send a request through opossum's `fire`, and what one failure costs with its own statistics.
import CircuitBreaker from 'opossum';

const work = async (fails) => {
  if (fails) throw new Error('failed');
};

async function nanosecondsPerCall(count, run) {
  const start = performance.now();
  for (let call = 0; call < count; call++) await run(call);
  return ((performance.now() - start) * 1e6) / count;
}

const options = { timeout: false, volumeThreshold: Number.MAX_SAFE_INTEGER };
const breaker = new CircuitBreaker(work, options);
const calls = 100_000;
const direct = await nanosecondsPerCall(calls, () => work(false));
const fired = await nanosecondsPerCall(calls, () => breaker.fire(false));
console.log(`a success through fire: ${(fired - direct).toFixed(0)} ns more than without`);
const failed = await nanosecondsPerCall(200, () => breaker.fire(true).catch(() => {}));
console.log(`a failure after ${calls} successes in the window: ${(failed / 1000).toFixed(0)} µs`);
breaker.shutdown();
