/** Content codings. */
import type { Scenario } from '../scenario.ts';

const applied = [
  'gzip',
  'x-gzip',
  'deflate',
  'raw-deflate',
  'br',
  'zstd',
  'identity',
  'gzip,br',
  'deflate,gzip',
  'br,zstd,gzip',
  'gzip,gzip,gzip,gzip,gzip',
  'gzip,gzip,gzip,gzip,gzip,gzip',
];

export const encodingScenarios: readonly Scenario[] = [
  ...applied.flatMap((apply) =>
    ['json', 'stream'].map((read) => ({
      name: `coding-${apply.replaceAll(',', '-')}-${read}`,
      input: `encode?apply=${apply}`,
      read,
    })),
  ),
  ...['gzip', 'deflate', 'raw-deflate', 'br', 'zstd', 'gzip,br'].flatMap((apply) => [
    { name: `coding-${apply.replace(',', '-')}-big`, input: `encode?apply=${apply}&big`, read: 'array-buffer' },
    { name: `coding-${apply.replace(',', '-')}-big-stream`, input: `encode?apply=${apply}&big`, read: 'stream' },
    { name: `coding-${apply.replace(',', '-')}-big-in-pieces`, input: `encode?apply=${apply}&big&pieces`, read: 'text' },
    ...['cut', 'corrupt', 'empty', 'trailing'].flatMap((damage) => [
      { name: `coding-${apply.replace(',', '-')}-${damage}`, input: `encode?apply=${apply}&damage=${damage}` },
      {
        name: `coding-${apply.replace(',', '-')}-${damage}-stream`,
        input: `encode?apply=${apply}&damage=${damage}`,
        read: 'stream',
      },
    ]),
    { name: `coding-${apply.replace(',', '-')}-trailing-in-pieces`, input: `encode?apply=${apply}&damage=trailing&pieces` },
    { name: `coding-${apply.replace(',', '-')}-head`, input: `encode?apply=${apply}`, init: { method: 'HEAD' } },
    { name: `coding-${apply.replace(',', '-')}-clone`, input: `encode?apply=${apply}`, read: 'clone' },
  ]),
  ...['compress', 'gzip, compress', 'GZIP', ' gzip ', 'gzip,', 'none', 'gzip;q=1'].map((name) => ({
    name: `coding-named-${name.trim().replaceAll(/\W+/g, '-')}-${name.length}`,
    input: `encode?apply=gzip&name=${encodeURIComponent(name)}`,
    read: 'array-buffer',
  })),
  ...['gzip', 'br', 'deflate', 'zstd'].map((name) => ({ name: `coding-${name}-not-applied`, input: `encode?name=${name}` })),
  { name: 'coding-on-500', input: 'encode?apply=gzip&status=500', read: 'json' },
  { name: 'coding-on-204', input: 'encode?apply=gzip&status=204' },
  { name: 'coding-on-302-without-location', input: 'encode?apply=gzip&status=302', read: 'json' },
  { name: 'coding-over-tls', input: (run) => run.url('encode?apply=br', 'tls'), read: 'json' },
  ...['text-then-stream', 'text-after-cancel', 'stream-byob', 'tee', 'new-response-of-body', 'text-twice'].map((read) => ({
    name: `coding-gzip-${read}`,
    input: 'encode?apply=gzip&big',
    read,
  })),
];
