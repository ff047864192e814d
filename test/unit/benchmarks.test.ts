import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { efforts, type Figure } from '../../benchmarks/benchmark.ts';
import { chartsOf } from '../../benchmarks/detection/charts.ts';
import { poissonRate, quantile } from '../../benchmarks/detection/estimates.ts';
import { evaluate } from '../../benchmarks/detection/evaluation.ts';
import { volumes } from '../../benchmarks/detection/protocol.ts';
import { reportOf } from '../../benchmarks/detection/report.ts';
import { detectionTargets } from '../../benchmarks/detection/targets.ts';
import { startGrpcSetting } from '../../benchmarks/grpc/setting.ts';
import { bytesBenchmark } from '../../benchmarks/load/bytes.ts';
import { cpuBenchmark } from '../../benchmarks/load/cpu.ts';
import { startSetting } from '../../benchmarks/load/setting.ts';
import { variants } from '../../benchmarks/load/variants.ts';
import { loadBenchmarks } from '../../benchmarks/load/index.ts';
import { heapKey, measureRows, nanosKey } from '../../benchmarks/micro/index.ts';
import { rows as pickRows } from '../../benchmarks/micro/picks.ts';
import { withResults, type Result } from '../../benchmarks/results.ts';
import { serverBytesBenchmark, serverCpuBenchmark } from '../../benchmarks/servers/comparisons.ts';
import { serverBenchmarks } from '../../benchmarks/servers/index.ts';
import { estimate, median, spreadPercent } from '../../benchmarks/statistics.ts';
import { ratioKey } from '../../benchmarks/turns.ts';
import { judge, type Verdict } from '../../benchmarks/targets.ts';
import { describeMachine } from '../../benchmarks/machine.ts';
import { loadBalancingPolicies } from '../../src/data-plane/load-balancing/index.ts';

// No figure is looked at here: a timing that fails on a busy machine proves nothing. What is tested is that the harness works.
const context = { effort: efforts.tiny, progress: (): void => {} };

describe('the load harness', { concurrency: true }, () => {
  it('compares clients of real origins over mTLS', async () => {
    const report = await cpuBenchmark({
      name: 'load',
      title: 'tiny',
      startSetting: () => startSetting(true),
      variants: ['undici.request', 'undici.request + mesh'],
      baselines: ['undici.request'],
    }).run(context);
    assert.deepEqual(
      report.lines.map(([client]) => client),
      ['undici.request', 'undici.request + mesh'],
    );
    const figure = report.figures.find(({ key }) => key === ratioKey('load', 64, 'undici.request + mesh', 'undici.request'));
    assert.ok(figure !== undefined && figure.value > 0 && figure.samples.length === efforts.tiny.repetitions);
  });

  it('compares gRPC clients over the same endpoints', async () => {
    const variants = ['grpc-js', 'grpc-js + mesh', 'grpc-js + mesh, xDS', 'grpc-js-xds'];
    const report = await cpuBenchmark({
      name: 'grpc-unary',
      title: 'tiny',
      startSetting: () => startGrpcSetting('unary'),
      variants,
      baselines: ['grpc-js'],
    }).run(context);
    assert.deepEqual(
      report.lines.map(([client]) => client),
      variants,
    );
  });

  it('counts the bytes of a request through meshFetch', async () => {
    const report = await bytesBenchmark({
      name: 'bytes',
      title: 'tiny',
      mtls: false,
      variants: ['meshFetch'],
      baselines: [],
    }).run(context);
    assert.ok(report.figures[0]!.value > 1000);
  });

  it('compares servers behind the way in with the same servers without, over mTLS', async () => {
    const variants = ['Fastify, mTLS', 'Fastify + mesh, mTLS', 'Fastify by mesh.listen, mTLS'];
    const report = await serverCpuBenchmark({ name: 'servers-fastify', title: 'tiny', variants }).run(context);
    assert.deepEqual(
      report.lines.map(([server]) => server),
      variants,
    );
    const key = ratioKey('servers-fastify', 1, 'Fastify by mesh.listen, mTLS', 'Fastify, mTLS');
    assert.ok(report.figures.find((figure) => figure.key === key)!.value > 0);
  });

  it('compares a server of gRPC behind the way in with the same server alone', async () => {
    const variants = ['grpc-js', 'grpc-js, mTLS', 'grpc-js by mesh.listen, bridge, mTLS', 'grpc-js by mesh.listen, native'];
    const report = await serverCpuBenchmark({ name: 'servers-grpc', title: 'tiny', variants }).run(context);
    assert.deepEqual(
      report.lines.map(([server]) => server),
      variants,
    );
  });

  it('counts the bytes of a request that comes over the bridge of HTTP/2', async () => {
    const variants = ['node:http2 by mesh.listen, bridge'];
    const report = await serverBytesBenchmark({ name: 'servers-bytes', title: 'tiny', variants }).run(context);
    assert.ok(report.figures[0]!.value > 1000);
  });

  it('names only variants that there are', () => {
    assert.equal(serverBenchmarks.length, new Set(serverBenchmarks.map(({ name }) => name)).size);
    assert.equal(loadBenchmarks.length, new Set(loadBenchmarks.map(({ name }) => name)).size);
    for (const name of ['undici.request', 'undici.request + mesh', 'undici.fetch', 'meshFetch', 'axios', 'got', 'ky']) {
      assert.ok(variants.has(name), name);
    }
  });
});

describe('the micro harness', { concurrency: true }, () => {
  it('measures the step of the mesh', async () => {
    const report = await measureRows({ name: 'mesh-step', title: 'tiny', file: 'mesh-step.ts', rows: ['mesh step'] }, context);
    const values = new Map(report.figures.map(({ key, value }) => [key, value]));
    assert.ok(values.get(nanosKey('mesh step'))! > 0);
    assert.ok(values.get(heapKey('mesh step'))! > 0);
  });

  it('has rows for every balancing policy', () => {
    for (const policy of loadBalancingPolicies.keys()) {
      assert.ok(
        pickRows.some(({ name }) => name.startsWith(`pick: ${policy},`)),
        policy,
      );
    }
  });
});

describe('the evaluation of detection', () => {
  it('gives tables whose rows are whole, figures for every mark, and curves', async () => {
    const evaluation = await evaluate(volumes.tiny, context.progress);
    const report = reportOf(evaluation);
    for (const { title, head, lines } of [report, ...report.tables!])
      for (const line of lines) assert.equal(line.length, head.length, title);
    const figures = new Map(report.figures.map((figure) => [figure.key, figure]));
    assert.deepEqual(
      detectionTargets.filter((target) => target(figures) === undefined),
      [],
    );
    for (const { file, svg } of chartsOf(evaluation)) {
      assert.ok(svg.startsWith('<svg ') && svg.includes('prefers-color-scheme: dark'), file);
      assert.doesNotMatch(svg, /NaN|Infinity|undefined/, file);
    }
  });

  it('gives the exact interval of a Poisson count', () => {
    // Garwood 1936: 0 → 0 … 3.689; 10 → 4.795 … 18.390
    const [none, ten] = [poissonRate(0, 1), poissonRate(10, 1)];
    assert.ok(none.lower === 0 && Math.abs(none.upper - 3.6889) < 1e-3, JSON.stringify(none));
    assert.ok(Math.abs(ten.lower - 4.7954) < 1e-3 && Math.abs(ten.upper - 18.3904) < 1e-3, JSON.stringify(ten));
    const many = poissonRate(3420, 30);
    // 3420 ± 1.96 √3420
    assert.ok(Math.abs(many.lower * 30 - 3306) < 3 && Math.abs(many.upper * 30 - 3537) < 3, JSON.stringify(many));
  });

  it('counts what was not found as later than everything', () => {
    const samples = [3, Number.POSITIVE_INFINITY, 1, 2, Number.POSITIVE_INFINITY];
    assert.equal(quantile(samples, 0.5), 3);
    assert.equal(quantile(samples, 0.9), Number.POSITIVE_INFINITY);
  });
});

describe('statistics', () => {
  it('takes the middle of the samples', () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1, 2, 3]), 2.5);
  });

  it("gives Student's interval of the log ratios", () => {
    // ln 0.5 and ln 2 are ∓0.693: mean 0, s = 0.980, t(1) = 12.706, margin 12.706 × 0.980 / √2 = 8.807.
    const { value, lower, upper } = estimate([0.5, 2]);
    assert.equal(value, 1.25);
    assert.ok(Math.abs(upper - Math.exp(8.807)) < 1);
    assert.ok(Math.abs(lower * upper - 1) < 1e-9);
  });

  it('knows nothing of the spread of one sample', () => {
    assert.deepEqual(estimate([1.5]), { value: 1.5, lower: 0, upper: Number.POSITIVE_INFINITY, samples: [1.5] });
  });

  it('gives half the range in percent of the median', () => {
    assert.equal(spreadPercent([98, 100, 102]), 2);
  });
});

describe('verdicts', () => {
  const mesh = 'undici.request + mesh';
  const ratio = (key: string, lower: number, value: number, upper: number): Figure => ({
    key,
    unit: 'ratio',
    value,
    lower,
    upper,
    samples: [],
  });
  const key = ratioKey('load', 64, mesh, 'undici.request');
  const noise = ratioKey('load', 64, 'undici.request again', 'undici.request');
  const rows: { name: string; figures: Figure[]; result: Verdict['result'] }[] = [
    { name: 'upper-end-below-the-limit', figures: [ratio(key, 0.97, 1, 1.04), ratio(noise, 0.98, 1, 1.02)], result: 'met' },
    {
      name: 'interval-across-the-limit',
      figures: [ratio(key, 1.01, 1.04, 1.08), ratio(noise, 0.98, 1, 1.02)],
      result: 'not decided',
    },
    {
      name: 'above-but-inside-the-noise',
      figures: [ratio(key, 1.06, 1.1, 1.14), ratio(noise, 0.9, 1, 1.12)],
      result: 'not decided',
    },
    {
      name: 'lower-end-above-limit-and-noise',
      figures: [ratio(key, 1.1, 1.2, 1.3), ratio(noise, 0.98, 1, 1.02)],
      result: 'missed',
    },
  ];
  for (const { name, figures, result } of rows) {
    it(`says ${result} of ${name}`, () => {
      assert.deepEqual(
        judge(figures).map((verdict) => verdict.result),
        [result],
      );
    });
  }

  it('has none for what was not measured', () => {
    assert.deepEqual(judge([]), []);
  });

  it('makes a missed figure of bytes a gate', () => {
    const bytes = (name: string, value: number): Figure => ({ ...ratio(`bytes: ${name}`, value, value, value), unit: 'bytes' });
    const [verdict] = judge([bytes('undici.request', 10_000), bytes(mesh, 10_900)]);
    assert.equal(verdict?.result, 'missed');
    assert.equal(verdict?.isGate, true);
  });
});

describe('the results page', () => {
  const result: Result = {
    name: 'x',
    title: 'A title',
    head: ['client', 'ns'],
    lines: [['a client', '12']],
    notes: ['A note.'],
    figures: [],
    effort: 'quick',
    machine: describeMachine(),
    loadAfter: 1,
  };

  it('keeps the text around the results, says where and when, and has a table for each report', async () => {
    const page = await readFile(new URL('../../benchmarks/README.md', import.meta.url), 'utf8');
    const text = withResults(page, [result]);
    assert.ok(text.startsWith('# Benchmarks\n'));
    assert.ok(text.includes(result.machine.node) && text.includes(result.machine.commit));
    assert.ok(text.includes('| client | ns |\n| --- | ---: |\n| a client | 12 |\n\nA note.'));
    assert.equal(withResults(text, [result]), text);
  });

  it('refuses a page without markers', () => {
    assert.throws(() => withResults('# Another page\n', [result]), /no lines/);
  });
});
