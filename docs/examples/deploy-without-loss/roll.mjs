// roll.mjs: starts two instances, restarts one after the other, and posts orders all the while.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { createMesh } from 'meshfetch';

const ports = ['7001', '7002'];
const instances = new Map();
const start = async (port) => {
  const instance = fork('service.mjs', [port]);
  instances.set(port, instance);
  await once(instance, 'message');
};
for (const port of ports) await start(port);

const mesh = await createMesh({ controlPlane: 'mesh.yaml' });
const isWhole = () => mesh.status().clusters[0].endpoints.every(({ state }) => state === 'healthy');
const lost = [];
const orders = [];
const load = setInterval(() => {
  const order = mesh.fetch('http://orders/', { method: 'POST', body: 'one' });
  orders.push(
    order.then(
      (response) => response.text(),
      ({ cause }) => lost.push(cause.code),
    ),
  );
}, 5);

for (const port of ports) {
  const old = instances.get(port);
  old.kill('SIGTERM');
  await once(old, 'exit');
  await start(port);
  while (!isWhole()) await sleep(50);
  console.log(`${port} is new`);
}

clearInterval(load);
await Promise.all(orders);
console.log(`${orders.length} orders, ${lost.length} lost`);
await mesh.close();
for (const instance of instances.values()) instance.kill('SIGKILL');
