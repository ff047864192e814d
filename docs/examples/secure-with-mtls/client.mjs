// client.mjs: asks ten times a second, and tells when the certificate changes.
import { createMesh } from 'meshfetch';

const mesh = await createMesh({ controlPlane: 'mesh.yaml' });
let generation;
let ok = 0;
let lost = 0;

async function ask() {
  const [{ svid }] = mesh.status().identities;
  if (svid.generation !== generation) {
    generation = svid.generation;
    console.log(`certificate ${svid.spiffeId}, ${svid.daysLeft} days left`);
  }
  const response = await mesh.fetch('http://orders/').catch((error) => console.log(error.cause.message));
  if (response?.ok) ok++;
  else lost++;
}

async function stop() {
  clearInterval(timer);
  await mesh.close();
  console.log(`${ok} ok, ${lost} lost`);
}

const timer = setInterval(() => void ask(), 100);
process.once('SIGINT', () => void stop());
