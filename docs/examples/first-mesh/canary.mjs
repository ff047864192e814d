// canary.mjs: one request with the header of the canary.
import { meshFetch } from 'meshfetch';

const response = await meshFetch('http://orders/42', { headers: { 'x-canary': 'true' } });
console.log(await response.text());
