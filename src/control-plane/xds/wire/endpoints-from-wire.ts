/**
 * A `ClusterLoadAssignment` from its bytes: what changes most often, and is the largest. Two things make it cheap. An endpoint that is
 * like nearly all of them is read without the messages of translate/ (plain-endpoint.ts; the others go that way, so that both say the
 * same). And what has the same bytes as in the version before is not read again: it is the same object, of the whole locality where
 * nothing in it changed, so that whoever compares versions sees at a glance what is new.
 */
import type { EndpointConfig, EndpointsConfig, LocalityEndpoints } from '../../../model/cluster.ts';
import type { Metadata } from '../../../model/tls.ts';
import { endpointFrom, endpointsFrom, localityFrom } from '../translate/endpoints.ts';
import { Findings, type Finding, type Message } from '../translate/message.ts';
import { metadataFrom } from '../translate/metadata.ts';
import { translated, type Translated } from '../translate/translated.ts';
import { matchPrevious, type KeptEndpoints } from './kept-endpoints.ts';
import { messageTypeOf } from './message-types.ts';
import { noMetadata, plainEndpoint, type MetadataReader } from './plain-endpoint.ts';
import { WireFields } from './wire-fields.ts';

/** A locality as it was read, and where it stands. */
interface KeptLocality {
  readonly start: number;
  readonly end: number;
  readonly value: LocalityEndpoints;
  readonly endpoints: KeptEndpoints;
  /** Whether there was nothing to report of it. */
  readonly isClean: boolean;
}

/** What was read, for the version that comes after it. It holds the bytes, which may not change. */
export interface EndpointsMemo {
  readonly bytes: Buffer;
  readonly localities: readonly KeptLocality[];
}

/** The endpoints in some bytes, and what to remember of them. */
export interface EndpointsFromWire extends Translated<EndpointsConfig> {
  readonly memo: EndpointsMemo;
}

const noEndpoints: KeptEndpoints = { ranges: [], values: [] };

/** Reads a `ClusterLoadAssignment`. `previous` is the memo of any earlier version of the same one. */
export function endpointsFromWire(bytes: Uint8Array, previous?: EndpointsMemo): EndpointsFromWire {
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const findings = new Findings();
  const fields = WireFields.of(source, 0, source.length, messageTypeOf('envoy.config.endpoint.v3.ClusterLoadAssignment')!, 0);
  if (typeof fields === 'string') {
    findings.problem('', fields);
    return { ...translated<EndpointsConfig>(undefined, findings), memo: { bytes: source, localities: [] } };
  }
  const message = findings.read(fields, '');
  if (message.name('cluster_name') === undefined) message.problem('cluster_name', 'must not be empty');
  const reading = new Reading(source, previous);
  const value = endpointsFrom(message, '', () => reading.localities(message, fields.ranges('endpoints')));
  const { problems, unhonoured } = translated(value, findings);
  const allProblems = [...problems, ...reading.problems];
  return {
    value: allProblems.length === 0 ? value : undefined,
    problems: allProblems,
    unhonoured: [...unhonoured, ...reading.unhonoured],
    memo: { bytes: source, localities: reading.kept },
  };
}

class Reading {
  readonly kept: KeptLocality[] = [];
  readonly problems: Finding[] = [];
  readonly unhonoured: Finding[] = [];
  private readonly source: Buffer;
  private readonly previous: EndpointsMemo | undefined;
  /** By their bytes. */
  private metadata: Map<string, Metadata | undefined> | undefined;
  private lastMetadata: Metadata | undefined;
  private lastStart = 0;
  private lastEnd = -1;

  constructor(source: Buffer, previous: EndpointsMemo | undefined) {
    this.source = source;
    this.previous = previous;
  }

  localities(owner: Message, ranges: readonly number[]): readonly LocalityEndpoints[] {
    const same = new Map<number, KeptLocality>();
    const others = this.previous === undefined ? noEndpoints : this.findSame(ranges, same);
    const values: LocalityEndpoints[] = [];
    for (let index = 0; index < ranges.length; index += 2) {
      const start = ranges[index]!;
      const end = ranges[index + 1]!;
      const found = same.get(index);
      const locality = found === undefined ? this.locality(owner, index / 2, start, end, others) : moved(found, start);
      if (locality === undefined) continue;
      this.kept.push(locality);
      values.push(locality.value);
    }
    return values;
  }

  /** Puts the localities that have the same bytes as before into `same`; the endpoints of the others of before are left over. */
  private findSame(ranges: readonly number[], same: Map<number, KeptLocality>): KeptEndpoints {
    const left = new Set(this.previous!.localities);
    for (let index = 0; index < ranges.length; index += 2) {
      const found = this.sameLocality(left, ranges[index]!, ranges[index + 1]!);
      if (found === undefined) continue;
      left.delete(found);
      same.set(index, found);
    }
    return together([...left].map(({ endpoints }) => endpoints));
  }

  private sameLocality(candidates: ReadonlySet<KeptLocality>, start: number, end: number): KeptLocality | undefined {
    for (const candidate of candidates) {
      if (!candidate.isClean || candidate.end - candidate.start !== end - start) continue;
      if (this.source.compare(this.previous!.bytes, candidate.start, candidate.end, start, end) === 0) return candidate;
    }
    return undefined;
  }

  private locality(owner: Message, index: number, start: number, end: number, others: KeptEndpoints): KeptLocality | undefined {
    const findings = new Findings();
    const place = { owner, name: 'endpoints', index };
    const fields = WireFields.of(this.source, start, end, messageTypeOf('envoy.config.endpoint.v3.LocalityLbEndpoints')!, 1);
    if (typeof fields === 'string') {
      findings.problem(`${owner.at('endpoints')}[${index}]`, fields);
      this.report(findings);
      return undefined;
    }
    let endpoints = noEndpoints;
    const message = findings.read(fields, place);
    const value = localityFrom(message, () => {
      const ranges = fields.ranges('lb_endpoints');
      const read = this.endpoints(message, ranges, others);
      endpoints = { ranges, values: read.memorable };
      return read.values;
    });
    return { start, end, value, endpoints, isClean: this.report(findings) };
  }

  private endpoints(
    owner: Message,
    ranges: readonly number[],
    others: KeptEndpoints,
  ): { readonly values: readonly EndpointConfig[]; readonly memorable: readonly (EndpointConfig | undefined)[] } {
    const memorable = matchPrevious(this.source, ranges, this.previous?.bytes ?? this.source, others);
    const values: EndpointConfig[] = [];
    for (let index = 0; index < memorable.length; index++) {
      const start = ranges[index * 2]!;
      const end = ranges[index * 2 + 1]!;
      const known = (memorable[index] ??= plainEndpoint(this.source, start, end, this.readMetadata));
      const value = known ?? this.oddEndpoint(owner, index, start, end, memorable);
      if (value !== undefined) values.push(value);
    }
    return { values, memorable };
  }

  /** The way over the messages. What is reported is told by its place, which another version moves: then it is not remembered. */
  private oddEndpoint(
    owner: Message,
    index: number,
    start: number,
    end: number,
    memorable: (EndpointConfig | undefined)[],
  ): EndpointConfig | undefined {
    const fields = WireFields.of(this.source, start, end, messageTypeOf('envoy.config.endpoint.v3.LbEndpoint')!, 2);
    const findings = new Findings();
    let value: EndpointConfig | undefined;
    if (typeof fields === 'string') findings.problem(`${owner.at('lb_endpoints')}[${index}]`, fields);
    else value = endpointFrom(findings.read(fields, { owner, name: 'lb_endpoints', index }));
    findings.reportUnread();
    for (const { path, reason } of findings.problems) owner.findings.problem(path, reason);
    for (const { path, reason } of findings.unhonoured) owner.findings.note(path, reason);
    const isClean = findings.problems.length + findings.unhonoured.length === 0;
    if (isClean) memorable[index] = value;
    return value;
  }

  /** Endpoints of one workload, and mostly all of a cluster, have the same metadata: it is read once, and one object. */
  private readonly readMetadata: MetadataReader = (start, end) => {
    const { source, lastStart, lastEnd } = this;
    const isLast = end - start === lastEnd - lastStart && source.compare(source, lastStart, lastEnd, start, end) === 0;
    if (isLast) return this.lastMetadata;
    this.metadata ??= new Map();
    const key = source.toString('latin1', start, end);
    if (!this.metadata.has(key)) this.metadata.set(key, metadataAt(source, start, end));
    this.lastStart = start;
    this.lastEnd = end;
    this.lastMetadata = this.metadata.get(key);
    return this.lastMetadata;
  };

  /** Whether there was nothing to report. */
  private report(findings: Findings): boolean {
    findings.reportUnread();
    this.problems.push(...findings.problems);
    this.unhonoured.push(...findings.unhonoured);
    return findings.problems.length + findings.unhonoured.length === 0;
  }
}

/** Undefined for what is to be reported. */
function metadataAt(source: Buffer, start: number, end: number): Metadata | undefined {
  const findings = new Findings();
  const fields = WireFields.of(source, start, end, messageTypeOf('envoy.config.core.v3.Metadata')!, 3);
  if (typeof fields === 'string') return undefined;
  const { value, unhonoured } = translated(metadataFrom(findings.read(fields, '')) ?? noMetadata, findings);
  if (value === undefined || unhonoured.length > 0) return undefined;
  return Object.keys(value).length === 0 ? noMetadata : value;
}

function moved(locality: KeptLocality, start: number): KeptLocality {
  const by = start - locality.start;
  if (by === 0) return locality;
  const { ranges, values } = locality.endpoints;
  return { ...locality, start, end: locality.end + by, endpoints: { ranges: ranges.map((at) => at + by), values } };
}

function together(parts: readonly KeptEndpoints[]): KeptEndpoints {
  if (parts.length === 1) return parts[0]!;
  return { ranges: parts.flatMap(({ ranges }) => ranges), values: parts.flatMap(({ values }) => values) };
}
