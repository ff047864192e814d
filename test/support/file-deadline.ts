/**
 * Loaded into every process of the test run. A test that times out may leave a socket open, and its process would then wait for ever;
 * this ends it, with a word on what kept it alive. (Node's `--test-force-exit` loses results that are still on their way.)
 */
const limitMs = 180_000; // the slowest file takes about 20 s on an idle machine

if (process.env['NODE_TEST_CONTEXT'] !== undefined) {
  setTimeout(() => {
    const resources = [...new Set(process.getActiveResourcesInfo())].join(', ');
    console.error(`${process.argv[1]} has not ended after ${limitMs / 1000} s; still open: ${resources}`);
    process.exit(1);
  }, limitMs).unref();
}
