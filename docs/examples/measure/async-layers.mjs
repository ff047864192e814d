// What a layer of `async` functions costs per call: the reason for callbacks on the way of a request.
const calls = 200_000;

function layered(count) {
  let inner = async (value) => value;
  for (let layer = 0; layer < count; layer++) {
    const next = inner;
    inner = async (value) => await next(value);
  }
  return inner;
}

async function nanosecondsPerCall(run) {
  const times = [];
  for (let round = 0; round < 5; round++) {
    const start = performance.now();
    for (let call = 0; call < calls; call++) await run(call);
    times.push(((performance.now() - start) * 1e6) / calls);
  }
  return Math.min(...times);
}

const bare = await nanosecondsPerCall(layered(0));
for (const count of [1, 5, 13]) {
  const nanoseconds = (await nanosecondsPerCall(layered(count))) - bare;
  console.log(`${count} layers: ${nanoseconds.toFixed(0)} ns more`);
}
