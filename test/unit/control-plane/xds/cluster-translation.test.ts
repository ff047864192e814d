/** Fields of Envoy's clusters in the words of the model. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readCluster } from '../../../../src/control-plane/xds/translate/received.ts';
import { envoyBytes } from '../../../support/envoy-bytes.ts';
import { edsCluster } from '../../../support/envoy-samples.ts';

describe('outlier detection', () => {
  const rows: readonly {
    readonly name: string;
    readonly base?: string;
    readonly max?: string;
    readonly baseMs: number;
    readonly maxMs: number;
  }[] = [
    { name: 'neither', baseMs: 30_000, maxMs: 300_000 },
    { name: 'equal', base: '5s', max: '5s', baseMs: 5000, maxMs: 5000 },
    { name: 'long-base', base: '600s', baseMs: 600_000, maxMs: 600_000 },
  ];
  const read = (base: string | undefined, max: string | undefined) =>
    readCluster(
      envoyBytes(
        edsCluster('a', {
          outlier_detection: { ...(base && { base_ejection_time: base }), ...(max && { max_ejection_time: max }) },
        }),
        'envoy.config.cluster.v3.Cluster',
      ),
      { mode: 'sidecar' },
    );

  for (const { name, base, max, baseMs, maxMs } of rows)
    it(`ejects for no longer than Envoy does: ${name}`, () => {
      const { findings, value } = read(base, max);
      assert.deepEqual(findings.problems, []);
      const { outlierDetection } = value!.value;
      assert.deepEqual([outlierDetection?.baseEjectionMs, outlierDetection?.maxEjectionMs], [baseMs, maxMs]);
    });

  for (const [base, max] of [
    ['30s', '10s'],
    [undefined, '29s'],
  ] as const)
    it(`is refused when an ejection would be longer than the longest, as Envoy refuses it: ${base ?? 'default'} and ${max}`, () => {
      assert.deepEqual(read(base, max).findings.problems, [
        { path: 'outlier_detection.max_ejection_time', reason: 'is less than base_ejection_time (30000 ms)' },
      ]);
    });
});
