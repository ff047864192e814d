// A mock for a while, as in a test.
import { getGlobalDispatcher, MockAgent, setGlobalDispatcher } from 'undici';

const before = getGlobalDispatcher();
const mock = new MockAgent();
mock.disableNetConnect();
mock.get('http://elsewhere.invalid').intercept({ path: '/' }).reply(200, 'mocked').persist();
setGlobalDispatcher(mock);
const ask = (url) => fetch(url).then((response) => response.text());
console.log(JSON.stringify(['unknown', await ask('http://elsewhere.invalid/')]));
console.log(JSON.stringify(['known', await ask('http://orders/known')]));
setGlobalDispatcher(before);
console.log(JSON.stringify(['again', await ask('http://elsewhere.invalid/').catch(() => 'not mocked')]));
