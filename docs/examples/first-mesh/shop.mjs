// shop.mjs: asks for 50 orders a second and says once a second how that goes.
import { createMesh } from 'meshfetch';

const mesh = await createMesh({ controlPlane: 'mesh.yaml' });
const total = { ok: 0, lost: 0 };
let answers = { v1: 0, v2: 0 };
let caller = '';

async function ask() {
  try {
    const response = await mesh.fetch('http://orders/42');
    const order = await response.json();
    answers[order.version]++;
    caller = order.caller;
    total.ok++;
  } catch (error) {
    total.lost++;
    console.log(error.cause?.message ?? error);
  }
}

function report() {
  const orders = mesh.status().clusters.find(({ name }) => name === 'orders');
  const endpoints = orders.endpoints.map(({ address, state }) => `${address} ${state}`);
  console.log(`v1 ${answers.v1}, v2 ${answers.v2}, asked by ${caller} | ${endpoints.join(', ')}`);
  answers = { v1: 0, v2: 0 };
}

const timers = [setInterval(() => void ask(), 20), setInterval(report, 1000)];

async function stop() {
  timers.forEach(clearInterval);
  await mesh.close(); // lets the requests under way end
  console.log(`${total.ok} ok, ${total.lost} lost`);
}

process.once('SIGINT', () => void stop());
