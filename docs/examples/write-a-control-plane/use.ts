import { createMesh } from 'meshfetch';
import { directoryControlPlane } from './directory.ts';

const mesh = await createMesh({ controlPlane: directoryControlPlane('http://127.0.0.1:7200/services.json') });
await mesh.ready(); // the first update is in force
const response = await mesh.fetch('http://orders/42');
console.log(response.status);
await mesh.close();
