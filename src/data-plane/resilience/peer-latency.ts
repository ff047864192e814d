/**
 * How long the hosts of a destination (a route of a cluster) take to answer, all of them together: the measure that a single host is
 * held against. A request that nobody answers is judged by the share of answers that took longer (silence.ts), a late answer by its
 * rank among those of the other hosts. Routes are kept apart, since a report may take seconds and a look-up milliseconds.
 *
 * A histogram of two generations, so that what is old leaves without a copy of each sample: buckets are an eighth of a power of two
 * wide and are read off the bits of the number, since a logarithm would cost more than all the rest.
 */

/** Samples without which no answer is called late. */
const minSamples = 20;
/** Samples without which the share of longer answers is not known: a first burst of requests is one sample, not many. */
const minSurvivalSamples = 100;
/** A generation ends after so many samples. Enough for one answer in ten thousand to be seen. */
const generationSamples = 8192;
/** Or after so long, where it has enough to stand for itself: a service may become faster. */
const generationMs = 300_000;
const shortGenerationSamples = 256;
/** No share is taken to be smaller, however many samples there are: the longest answers are not those of the last minutes. */
const leastSurvival = 1e-4;

/** Eighths of a power of two, from 1/16 ms to 17 minutes; what is beyond counts as that. */
const bucketsPerOctave = 8;
const octaves = 24;
const buckets = octaves * bucketsPerOctave;
const lowestMs = 1 / 16;
/** Exponent and the first three bits of the fraction of a 32 bit float. */
const shift = 20;
const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);
float[0] = lowestMs;
const lowestBits = bits[0]! >> shift;

/** Answers that ranks are taken among; they are put into the histogram so many at a time, or when it is asked. */
const ringSize = 64;
const ringMask = ringSize - 1;
/** Answers of other hosts without which there is no rank. */
const minPeerSamples = 16;
/** An answer that takes less than so many times as long as others, and so much more, says nothing against its host. */
export const toleratedFactor = 3;
export const toleratedMs = 10;
/** Step of the median that follows the samples: 2 %, so that it crosses a factor of ten in about a hundred. */
const medianStep = 1.02;

/** A host, as far as its answers are told from those of others. */
export interface NumberedHost {
  readonly number: number;
}

export class PeerLatency {
  /** Answers that are kept. */
  private samples = 0;
  private readonly current = new Uint16Array(buckets);
  private readonly previous = new Uint16Array(buckets);
  private currentSamples = 0;
  private generationStartMs = 0.1;
  /** By bucket: the share of answers in it or above. Reckoned anew when it is asked for and answers have come. */
  private readonly shares = new Float32Array(buckets);
  private isStale = true;
  private medianMs = -0.1;
  private readonly ringMs = new Float32Array(ringSize);
  private readonly ringHosts = new Int32Array(ringSize).fill(-1);
  private ringNext = 0;
  /** Up to here the ring is in the histogram. */
  private foldedTo = 0;
  private latestMs = 0.1;
  /** When the request began that began last of those that were answered: until then the hosts were there. Monotonic milliseconds. */
  answeredUntilMs = 0.1;

  /** A response head came after so long: a few writes, since it is on the way of every request. */
  record(host: NumberedHost, elapsedMs: number, now: number): void {
    this.latestMs = now;
    if (now - elapsedMs > this.answeredUntilMs) this.answeredUntilMs = now - elapsedMs;
    const { ringNext } = this;
    this.ringMs[ringNext] = elapsedMs;
    this.ringHosts[ringNext] = host.number;
    const next = (ringNext + 1) & ringMask;
    this.ringNext = next;
    if (next === this.foldedTo) this.fold(ringSize);
  }

  /**
   * Share of recent answers that took longer, 0…1, or as long as far as it can be told. 1 with less than a hundred of them; never below
   * one in ten thousand, nor below what their number can show.
   */
  survival(elapsedMs: number): number {
    if (!this.isKnown) return 1;
    this.catchUp();
    if (this.isStale) this.reckon();
    return elapsedMs < lowestMs ? 1 : this.shares[bucketOf(elapsedMs)]!;
  }

  /** Whether an answer took so long that its rank is worth a look: a cheap question, asked of every answer. */
  isLate(elapsedMs: number): boolean {
    return this.isBeyond(elapsedMs) && this.isEnough(minSamples) && this.isBeyond(elapsedMs);
  }

  /** Whether there are enough answers for {@link survival}. */
  get isKnown(): boolean {
    return this.isEnough(minSurvivalSamples);
  }

  /** Rank among the recent answers of other hosts, 0 (none was faster) … 1 (all were); NaN with less than 16 of them. */
  rankAmongPeers(host: NumberedHost, elapsedMs: number): number {
    const { ringMs, ringHosts } = this;
    let peers = 0;
    let below = 0;
    for (let index = 0; index < ringSize; index++) {
      const other = ringHosts[index]!;
      if (other === -1 || other === host.number) continue;
      peers++;
      const peerMs = ringMs[index]!;
      if (peerMs < elapsedMs) below++;
      else if (peerMs === elapsedMs) below += 0.5;
    }
    return peers < minPeerSamples ? Number.NaN : below / peers;
  }

  private isBeyond(elapsedMs: number): boolean {
    return elapsedMs > toleratedFactor * this.medianMs + toleratedMs;
  }

  private isEnough(samples: number): boolean {
    if (this.samples >= samples) return true;
    this.catchUp();
    return this.samples >= samples;
  }

  private catchUp(): void {
    const waiting = (this.ringNext - this.foldedTo) & ringMask;
    if (waiting > 0) this.fold(waiting);
  }

  /** Puts so many of the ring into the histogram. */
  private fold(count: number): void {
    if (this.currentSamples >= shortGenerationSamples) this.turn();
    if (this.currentSamples === 0) this.generationStartMs = this.latestMs;
    for (let taken = 0; taken < count; taken++) {
      const elapsedMs = this.ringMs[(this.foldedTo + taken) & ringMask]!;
      this.current[bucketOf(elapsedMs)]!++;
      const { medianMs } = this;
      if (medianMs < 0) this.medianMs = Math.max(elapsedMs, lowestMs);
      else this.medianMs = elapsedMs > medianMs ? medianMs * medianStep : Math.max(medianMs / medianStep, lowestMs);
    }
    this.foldedTo = (this.foldedTo + count) & ringMask;
    this.currentSamples += count;
    this.samples += count;
    this.isStale = true;
  }

  private turn(): void {
    if (this.currentSamples < generationSamples && this.latestMs - this.generationStartMs < generationMs) return;
    this.previous.set(this.current);
    this.current.fill(0);
    this.samples = this.currentSamples;
    this.currentSamples = 0;
  }

  private reckon(): void {
    this.isStale = false;
    let above = 0;
    for (let bucket = buckets - 1; bucket >= 0; bucket--) {
      above += this.current[bucket]! + this.previous[bucket]!;
      this.shares[bucket] = Math.max(leastSurvival, (above + 1) / (this.samples + 1));
    }
  }
}

function bucketOf(elapsedMs: number): number {
  float[0] = elapsedMs;
  const bucket = (bits[0]! >> shift) - lowestBits;
  return bucket < 0 ? 0 : bucket >= buckets ? buckets - 1 : bucket;
}
