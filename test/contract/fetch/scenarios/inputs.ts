/** What is given as URL and as init. */
import type { Run, Scenario } from '../scenario.ts';

const blobUrl = URL.createObjectURL(new Blob(['blob'], { type: 'text/x' }));
const base = (run: Run): string => run.url('echo');
const upper = (url: string): string => url.replace('http:', 'HTTP:');

const urls: readonly { readonly name: string; readonly lean?: boolean; readonly input: (run: Run) => unknown }[] = [
  { name: 'query', input: (run) => `${base(run)}?a=1&b=2` },
  { name: 'empty-query', input: (run) => `${base(run)}?` },
  { name: 'fragment', input: (run) => `${base(run)}#part` },
  { name: 'empty-fragment', input: (run) => `${base(run)}#` },
  { name: 'query-and-fragment', input: (run) => `${base(run)}?a=1#part?b` },
  { name: 'empty-query-and-fragment', input: (run) => `${base(run)}?#part` },
  { name: 'dot-segments', input: (run) => run.url('a/../echo/./b/..') },
  { name: 'encoded-dot-segments', input: (run) => run.url('a/%2e%2E/echo') },
  { name: 'encoded-slash', input: (run) => `${base(run)}/a%2Fb` },
  { name: 'dots-in-names', input: (run) => `${base(run)}/a.b/...c/d..` },
  { name: 'double-slash', input: (run) => `${base(run)}//a` },
  { name: 'space', input: (run) => `${base(run)}/a b?c d` },
  { name: 'space-around', input: (run) => `  ${base(run)}\n` },
  { name: 'tab-inside', input: (run) => `${base(run)}/a\tb` },
  { name: 'wide', input: (run) => `${base(run)}/日本?ü=ö` },
  { name: 'lone-surrogate', input: (run) => `${base(run)}/\ud800` },
  { name: 'quotes', input: (run) => `${base(run)}/'a'"b"?'c'"d"` },
  { name: 'brackets', input: (run) => `${base(run)}/[a]{b}|c^d\`e?[a]{b}|c^d\`e` },
  { name: 'angle', input: (run) => `${base(run)}/<a>?<b>` },
  { name: 'backslash', input: (run) => base(run).replace('/echo', '\\echo') },
  { name: 'percent', input: (run) => `${base(run)}/100%/%zz/%41` },
  { name: 'punctuation', input: (run) => `${base(run)}/a-._~!$&()*+,;=:@z?-._~!$&()*+,;=:@/?z` },
  { name: 'semicolon', input: (run) => `${base(run)};v=1` },
  { name: 'long', input: (run) => `${base(run)}?${'q'.repeat(7000)}` },
  { name: 'scheme-in-capitals', input: (run) => upper(base(run)) },
  { name: 'one-slash', input: (run) => base(run).replace('//', '/') },
  { name: 'no-slash', input: (run) => base(run).replace('//', '') },
  { name: 'three-slashes', input: (run) => base(run).replace('//', '///') },
  { name: 'ip-in-hex', input: (run) => base(run).replace('127.0.0.1', '0x7f.1') },
  { name: 'ip-as-number', input: (run) => base(run).replace('127.0.0.1', '2130706433') },
  { name: 'port-with-zeros', input: (run) => base(run).replace(/:(\d+)/, ':00$1') },
  { name: 'origin-only', input: (run) => run.peer.origins.self },
  { name: 'origin-and-query', input: (run) => `${run.peer.origins.self}?${run.id}` },
  { name: 'url-object', input: (run) => new URL(`${base(run)}?a=1#f`) },
  { name: 'url-object-empty-query', input: (run) => new URL(`${base(run)}?`) },
  { name: 'url-subclass', lean: false, input: (run) => new (class Sub extends URL {})(base(run)) },
  { name: 'url-like-object', lean: false, input: (run) => ({ href: 'http://x/', toString: () => base(run) }) },
  { name: 'string-object', lean: false, input: (run) => Object(base(run)) as unknown },
  { name: 'array', lean: false, input: (run) => [base(run)] },
  { name: 'credentials', lean: false, input: (run) => base(run).replace('//', '//user:secret@') },
  { name: 'empty-credentials', input: (run) => base(run).replace('//', '//@') },
  { name: 'user-only', lean: false, input: (run) => base(run).replace('//', '//user@') },
];

const wrong: readonly { readonly name: string; readonly input: unknown }[] = [
  ...[
    '',
    '/relative',
    'relative',
    'http://',
    'http:///',
    'https:///x',
    'http://[::1',
    'http://a b/',
    'http://a:99999/',
    'http://%',
    'ftp://127.0.0.1/',
    'file:///etc/hosts',
    'ws://127.0.0.1/',
    'about:blank',
    'about:config',
    'blob:nodedata:none',
    'javascript:0',
    'mailto:a@b',
  ].map((input) => ({ name: JSON.stringify(input), input })),
  { name: 'undefined', input: undefined },
  { name: 'null', input: null },
  { name: 'number', input: 5 },
  { name: 'object', input: {} },
  { name: 'symbol', input: Symbol('x') },
  { name: 'bad-port', input: 'http://127.0.0.1:6000/' },
  { name: 'bad-port-1', input: 'http://127.0.0.1:1/path' },
  { name: 'bad-port-tls', input: 'https://127.0.0.1:22/' },
];

const inits: readonly { readonly name: string; readonly lean?: boolean; readonly init: unknown }[] = [
  { name: 'null', lean: true, init: null },
  { name: 'empty', lean: true, init: {} },
  {
    name: 'undefined-members',
    lean: true,
    init: { method: undefined, headers: undefined, body: undefined, signal: undefined, redirect: undefined },
  },
  { name: 'null-body-and-signal', lean: true, init: { body: null, signal: null } },
  { name: 'no-prototype', lean: true, init: Object.assign(Object.create(null) as object, { method: 'POST' }) },
  { name: 'frozen', lean: true, init: Object.freeze({ method: 'PUT', body: 'x' }) },
  { name: 'number', init: 5 },
  { name: 'string', init: 'POST' },
  { name: 'function', init: () => {} },
  { name: 'array', init: [] },
  {
    name: 'class-instance',
    init: new (class {
      method = 'POST';
      body = 'x';
    })(),
  },
  {
    name: 'class-with-getters',
    init: new (class {
      get method(): string {
        return 'PUT';
      }
    })(),
  },
  { name: 'inherited', init: Object.create({ method: 'POST', body: 'inherited' }) as unknown },
  { name: 'proxy', lean: true, init: new Proxy({ method: 'POST', body: 'p' }, {}) },
  {
    name: 'getter-throws',
    init: {
      get method(): string {
        throw new RangeError('mine');
      },
    },
  },
  { name: 'unknown-member', init: { method: 'POST', unknown: 1 } },
  { name: 'cache-no-store', init: { cache: 'no-store' } },
  { name: 'cache-only-if-cached', init: { cache: 'only-if-cached' } },
  { name: 'cache-wrong', init: { cache: 'wrong' } },
  { name: 'credentials-include', init: { credentials: 'include' } },
  { name: 'credentials-omit', init: { credentials: 'omit' } },
  { name: 'mode-no-cors', init: { mode: 'no-cors' } },
  { name: 'mode-same-origin', init: { mode: 'same-origin' } },
  { name: 'mode-navigate', init: { mode: 'navigate' } },
  { name: 'keepalive', init: { keepalive: true } },
  { name: 'integrity-wrong', init: { integrity: 'sha256-AAAA' } },
  { name: 'referrer', init: { referrer: 'http://127.0.0.1/page', referrerPolicy: 'unsafe-url' } },
  { name: 'window-not-null', init: { window: {} } },
  { name: 'duplex-half', init: { method: 'POST', body: 'x', duplex: 'half' } },
  { name: 'duplex-wrong', init: { duplex: 'full' } },
  { name: 'priority', init: { priority: 'high' } },
  { name: 'redirect-wrong', init: { redirect: 'elsewhere' } },
  { name: 'signal-wrong', init: { signal: {} } },
  { name: 'signal-event-target', init: { signal: new EventTarget() } },
  { name: 'get-with-body', init: { body: 'x' } },
  { name: 'head-with-body', init: { method: 'HEAD', body: 'x' } },
  { name: 'get-with-empty-body', init: { body: '' } },
  { name: 'dispatcher-undefined', init: { dispatcher: undefined } },
];

export const inputScenarios: readonly Scenario[] = [
  ...urls.map(({ name, input, lean = true }) => ({ name: `url-${name}`, lean, input })),
  ...wrong.map(({ name, input }) => ({ name: `url-wrong-${name}`, lean: false, input: () => input })),
  ...inits.map(({ name, init, lean = false }) => ({ name: `init-${name}`, lean, input: 'echo', init })),
  { name: 'no-arguments', input: '', act: (fetch) => (fetch as () => Promise<unknown>)() },
  { name: 'url-data', lean: false, input: () => 'data:text/plain,hello' },
  { name: 'url-data-wrong', lean: false, input: () => 'data:nothing' },
  { name: 'url-blob', lean: false, input: () => blobUrl },
];
