/** Redirects, and the repeat after 421. */
import type { Run, Scenario } from '../scenario.ts';

const statuses = [301, 302, 303, 307, 308];
const calls: readonly { readonly name: string; readonly init: object }[] = [
  { name: 'get', init: {} },
  { name: 'head', init: { method: 'HEAD' } },
  { name: 'post', init: { method: 'POST', body: 'text', headers: { 'content-language': 'en', 'x-own': '1' } } },
  { name: 'put-bytes', init: { method: 'PUT', body: Buffer.from('bytes'), headers: { 'content-type': 'a/b' } } },
  { name: 'delete', init: { method: 'DELETE' } },
];
const secrets = { authorization: 'Bearer x', Cookie: 'a=b', 'Proxy-Authorization': 'Basic y', 'x-own': 'kept' };

const locations: readonly { readonly name: string; readonly to: string }[] = [
  { name: 'absolute-path', to: '/{run}/echo' },
  { name: 'relative', to: 'echo' },
  { name: 'dot-segments', to: '../{run}/x/../echo' },
  { name: 'query-only', to: '?x=1' },
  { name: 'fragment', to: '/{run}/echo#there' },
  { name: 'empty-query', to: '/{run}/echo?' },
  { name: 'no-scheme', to: '//127.0.0.1:1/{run}/echo' },
  { name: 'space', to: '/{run}/echo?a b' },
  { name: 'wide', to: '/{run}/echo?ü=日本' },
  { name: 'credentials', to: 'http://user:secret@127.0.0.1/' },
  { name: 'bad-port', to: 'http://127.0.0.1:6000/' },
  { name: 'unparsable', to: 'http://[' },
  { name: 'ftp', to: 'ftp://127.0.0.1/' },
  { name: 'data', to: 'data:text/plain,x' },
  { name: 'javascript', to: 'javascript:alert(1)' },
  { name: 'empty', to: '' },
  { name: 'gzipped', to: '/{run}/encode?apply=gzip' },
  { name: 'not-found', to: '/{run}/nowhere' },
  { name: 'reset', to: '/{run}/reset' },
  { name: '204', to: '/{run}/status?code=204' },
];

const to = (status: number, location: string | null, more?: string) => (run: Run) => run.redirect(status, location, more);

export const redirectScenarios: readonly Scenario[] = [
  ...statuses.flatMap((status) =>
    calls.flatMap(({ name, init }) => [
      { name: `redirect-${status}-${name}`, input: to(status, '/{run}/echo'), init },
      { name: `redirect-${status}-${name}-other-origin`, input: to(status, '{other}/{run}/echo'), init },
    ]),
  ),
  ...statuses.flatMap((status) => [
    { name: `redirect-${status}-manual`, input: to(status, '/{run}/echo'), init: { redirect: 'manual' } },
    { name: `redirect-${status}-error`, input: to(status, '/{run}/echo'), init: { redirect: 'error' } },
    { name: `redirect-${status}-without-location`, input: to(status, null) },
  ]),
  ...locations.map(({ name, to: location }) => ({ name: `redirect-to-${name}`, input: to(302, location) })),
  {
    name: 'redirect-post-to-gzipped',
    input: to(307, '/{run}/encode?apply=gzip'),
    init: { method: 'POST', body: 'again' },
    read: 'json',
  },
  { name: 'redirect-secrets-same-origin', input: to(302, '/{run}/echo'), init: { headers: secrets } },
  { name: 'redirect-secrets-other-origin', input: to(302, '{other}/{run}/echo'), init: { headers: secrets } },
  { name: 'redirect-secrets-to-tls', input: to(307, '{tls}/{run}/echo'), init: { headers: secrets, method: 'POST', body: 'x' } },
  {
    name: 'redirect-from-tls',
    input: (run) => run.redirect(302, '{self}/{run}/echo').replace(run.peer.origins.self, run.peer.origins.tls),
  },
  {
    name: 'redirect-to-tls-own-encoding',
    input: to(302, '{tls}/{run}/echo'),
    init: { headers: { 'accept-encoding': 'gzip, deflate' } },
  },
  {
    name: 'redirect-there-and-back',
    input: (run) => run.redirect(302, `{other}/{run}/redirect?status=302&to=${encodeURIComponent('{self}/{run}/echo')}`),
    init: { headers: secrets },
  },
  {
    name: 'redirect-identity-headers-same-origin',
    input: to(302, '/{run}/echo'),
    init: { headers: { 'x-forwarded-client-cert': 'By=a', 'L5d-Client-Id': 'b' } },
  },
  {
    name: 'redirect-identity-headers-other-origin',
    input: to(302, '{other}/{run}/echo'),
    init: { headers: { 'x-forwarded-client-cert': 'By=a', 'L5d-Client-Id': 'b' } },
  },
  { name: 'redirect-chain-20', input: 'chain?left=20' },
  { name: 'redirect-chain-21', input: 'chain?left=21' },
  { name: 'redirect-fragment-kept', input: (run) => `${run.redirect(302, '/{run}/echo')}#mine` },
  { name: 'redirect-with-big-body', input: to(302, '/{run}/echo', '&body=big') },
  { name: 'redirect-manual-read', input: to(302, '/{run}/echo'), init: { redirect: 'manual' }, read: 'headers' },
  { name: 'redirect-manual-without-location', input: to(302, null), init: { redirect: 'manual' } },
  { name: 'redirect-error-without-redirect', input: 'echo', init: { redirect: 'error' } },
  { name: 'redirect-manual-without-redirect', input: 'echo', init: { redirect: 'manual' } },
  { name: 'redirect-clone', input: to(302, '/{run}/echo'), read: 'clone' },
  {
    name: 'redirect-stream-body',
    lean: false,
    input: to(307, '/{run}/echo'),
    makeInit: () => ({ method: 'POST', body: new Blob(['x']).stream(), duplex: 'half' }),
  },
  {
    name: 'redirect-303-stream-body',
    lean: false,
    input: to(303, '/{run}/echo'),
    makeInit: () => ({ method: 'POST', body: new Blob(['x']).stream(), duplex: 'half' }),
  },
  { name: 'redirect-two-locations', input: 'two-locations' },
  { name: 'misdirected-once', input: 'once421' },
  { name: 'misdirected-once-post', input: 'once421', init: { method: 'POST', body: 'again' } },
  { name: 'misdirected-always-post', input: 'status?code=421', init: { method: 'POST', body: Buffer.from('again') } },
  {
    name: 'redirect-abort-after',
    input: '',
    act: async (fetch, run) => {
      const controller = new AbortController();
      const pending = fetch(run.redirect(302, '/{run}/hold'), { signal: controller.signal });
      while (run.peer.seen.get(run.id)?.length !== 2) await new Promise((resolve) => setImmediate(resolve));
      controller.abort(new Error('after the redirect'));
      return pending;
    },
  },
];
