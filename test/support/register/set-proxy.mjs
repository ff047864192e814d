// What many programs begin with.
import { EnvHttpProxyAgent, setGlobalDispatcher } from 'undici';

setGlobalDispatcher(new EnvHttpProxyAgent({ httpProxy: process.env.PROXY, httpsProxy: process.env.PROXY }));
