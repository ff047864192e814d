const size = 624;
const middle = 397;

/**
 * The generator MT19937, whose numbers are the same everywhere for the same seed (`std::mt19937`). Source: Matsumoto and Nishimura
 * 1998. For orders that must repeat, not for secrets.
 */
export class MersenneTwister {
  private readonly state = new Uint32Array(size);
  private at = size;

  /** Starts anew. The seed has 32 bits. */
  seed(seed: number): void {
    const { state } = this;
    state[0] = seed;
    for (let index = 1; index < size; index++) {
      const previous = state[index - 1]!;
      state[index] = Math.imul(1_812_433_253, previous ^ (previous >>> 30)) + index;
    }
    this.at = size;
  }

  /** The next number of 32 bits. */
  next(): number {
    if (this.at === size) this.twist();
    let value = this.state[this.at++]!;
    value ^= value >>> 11;
    value ^= (value << 7) & 0x9d2c5680;
    value ^= (value << 15) & 0xefc60000;
    return (value ^ (value >>> 18)) >>> 0;
  }

  /** A number in [0, count), each as likely as any other. */
  below(count: number): number {
    // The numbers above the last whole multiple are drawn again; as in Envoy, so that the order is the same.
    const width = Math.floor(2 ** 32 / count);
    let drawn = count;
    while (drawn >= count) drawn = Math.floor(this.next() / width);
    return drawn;
  }

  private twist(): void {
    const { state } = this;
    for (let index = 0; index < size; index++) {
      const mixed = (state[index]! & 0x80000000) | (state[(index + 1) % size]! & 0x7fffffff);
      state[index] = state[(index + middle) % size]! ^ (mixed >>> 1) ^ ((mixed & 1) === 0 ? 0 : 0x9908b0df);
    }
    this.at = 0;
  }
}
