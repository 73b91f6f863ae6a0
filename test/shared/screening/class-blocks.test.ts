// Vectors as blocks of bytes: what goes in comes out class by class, whole or a range of labels at a time.
import { describe, expect, it } from 'vitest';
import {
  addCounts,
  blocksRange,
  countLabels,
  exampleBlockBytes,
  gatherBlocks,
  readBlocks,
  writeBlocks,
} from '../../../shared/screening/class-blocks.ts';

const neurons = 2;
const first = {
  labels: Int32Array.of(5, 0, 5, 3),
  rows: Uint32Array.of(0, 1, 2, 3),
  runnersUp: Int32Array.of(1, 2, 3, 4),
  vectors: Float32Array.of(0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5),
};
const second = {
  labels: Int32Array.of(3, 3),
  rows: Uint32Array.of(4, 5),
  runnersUp: Int32Array.of(5, 6),
  vectors: Float32Array.of(4, 4.5, 5, 5.5),
};

describe('blocks of vectors', () => {
  it('take the same bytes for each example', () => {
    expect(exampleBlockBytes(neurons)).toBe(16);
    expect(writeBlocks(first)).toHaveLength(4 * 16);
    expect(countLabels(first.labels)).toEqual([
      [0, 1],
      [3, 1],
      [5, 2],
    ]);
  });

  it('of neighbouring labels lie together', () => {
    const range = blocksRange(countLabels(first.labels), { from: 3, to: 6, neurons });
    expect(range).toEqual({
      offset: 16,
      length: 48,
      counts: [
        [3, 1],
        [5, 2],
      ],
    });
    expect(blocksRange(countLabels(first.labels), { from: 1, to: 3, neurons }).length).toBe(0);
  });

  it('of several shards become one a class, in the order of the shards, the classes one behind the other', () => {
    const parts = [first, second];
    const counts = addCounts(parts.map(({ labels }) => countLabels(labels)));
    expect(counts).toEqual([
      [0, 1],
      [3, 3],
      [5, 2],
    ]);
    const wanted = counts.filter(([label]) => label >= 3);
    const gatherer = gatherBlocks(wanted, neurons);
    for (const part of parts) {
      const range = blocksRange(countLabels(part.labels), { from: 3, to: 6, neurons });
      gatherer.add(writeBlocks(part).slice(range.offset, range.offset + range.length), range.counts);
    }
    const classes = new Map(readBlocks(gatherer.bytes(), wanted, neurons));
    expect([...classes.keys()]).toEqual([3, 5]);
    expect([...classes.get(3)!.rows]).toEqual([3, 4, 5]);
    expect([...classes.get(3)!.runnersUp]).toEqual([4, 5, 6]);
    expect([...classes.get(3)!.vectors]).toEqual([3, 3.5, 4, 4.5, 5, 5.5]);
    expect([...classes.get(5)!.rows]).toEqual([0, 2]);
    expect([...classes.get(5)!.vectors]).toEqual([0, 0.5, 2, 2.5]);
  });

  it('are refused where an example is missing or a class has no room', () => {
    const gatherer = gatherBlocks([[3, 2]], neurons);
    expect(() => gatherer.add(writeBlocks(first).slice(0, 16), [[0, 1]])).toThrow('room');
    gatherer.add(writeBlocks(first).slice(16, 32), [[3, 1]]);
    expect(() => gatherer.bytes()).toThrow('every example');
    expect(() => [...readBlocks(new Uint8Array(36), [[3, 2]], neurons)]).toThrow('those of the counts');
  });
});
