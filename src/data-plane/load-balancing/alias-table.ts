import type { Random } from '../../base/runtime.ts';
import type { HostSet } from '../../model/contracts.ts';
import { weightsOf } from './host-weights.ts';

/**
 * Draws an index in proportion to weights by one look-up, however many there are: each column is one host up to a threshold and
 * another above it. Source: the alias method, Walker 1974, built as in Vose 1991.
 */
export class AliasTable {
  /** Of each column the other host, plus the threshold: one number, so that a draw reads one place of memory. */
  private readonly columns: Float64Array;

  constructor(hosts: HostSet) {
    const weights = weightsOf(hosts);
    let sum = 0;
    for (const weight of weights) sum += weight;
    const mean = sum / weights.length;
    const threshold = weights;
    const count = weights.length;
    const alias = new Int32Array(count);
    // Hosts below the mean fill this from the left, those above it from the right.
    const waiting = new Int32Array(count);
    let below = 0;
    let above = count;
    for (let index = 0; index < count; index++) {
      threshold[index]! /= mean;
      alias[index] = index;
      if (threshold[index]! < 1) waiting[below++] = index;
      else waiting[--above] = index;
    }
    while (below > 0 && above < count) {
      const small = waiting[--below]!;
      const large = waiting[above]!;
      alias[small] = large;
      threshold[large]! -= 1 - threshold[small]!;
      if (threshold[large]! < 1) {
        above++;
        waiting[below++] = large;
      }
    }
    // What rounding left over has a column of its own: its other host is itself.
    while (below > 0) threshold[waiting[--below]!] = 0;
    while (above < count) threshold[waiting[above++]!] = 0;
    for (let index = 0; index < count; index++) threshold[index]! += alias[index]!;
    this.columns = threshold;
  }

  /** An index; of an empty table NaN. */
  draw(random: Random): number {
    const { columns } = this;
    const point = random() * columns.length;
    const column = Math.floor(point);
    const content = columns[column]!;
    const other = Math.floor(content);
    return point - column < content - other ? column : other;
  }
}
