import { createMesh } from 'meshfetch';
import { MockAgent, setGlobalDispatcher } from 'undici';

//#region mock
const agent = new MockAgent();
agent.disableNetConnect();
agent.get('http://orders').intercept({ path: '/42' }).reply(200, 'a mocked order');
setGlobalDispatcher(agent);

// No control plane knows "orders", so the request goes to the global dispatcher that the program has set.
await using mesh = await createMesh();
export const text = await (await mesh.fetch('http://orders/42')).text();
//#endregion
