// compare.mjs POLICY…: ten callers ask 400 times under each policy; who answered, and how long it took.
import { createMesh } from 'meshfetch';

const endpoints = ['127.0.0.1:7001', '127.0.0.1:7002', '127.0.0.1:7003'];

for (const policy of process.argv.slice(2)) {
  const mesh = await createMesh({ controlPlane: { services: { orders: { endpoints, loadBalancing: { policy } } } } });
  const times = [];
  let slow = 0;
  async function caller() {
    for (let asked = 0; asked < 40; asked++) {
      const startMs = performance.now();
      const response = await mesh.fetch('http://orders/');
      if ((await response.text()) === 'slow') slow++;
      times.push(performance.now() - startMs);
    }
  }
  await Promise.all(Array.from({ length: 10 }, caller));
  times.sort((a, b) => a - b);
  const [half, most] = [times[200], times[380]].map((ms) => ms.toFixed(1));
  console.log(`${policy}: the slow one got ${slow} of 400; half took ${half} ms at most, 95 % ${most} ms`);
  await mesh.close();
}
