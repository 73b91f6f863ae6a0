// The vectors of a shard or a class as bytes: a block a label, so that the examples of neighbouring labels lie together.
import { assert } from '../assert.ts';
import type { ClassExamples } from '../clustering/screen-class.ts';

/** What was extracted of some examples, in the order of their rows. */
export interface ExtractedExamples extends ClassExamples {
  /** [count], of the data set. */
  readonly labels: Int32Array;
}

/** Labels with their numbers of examples, ascending. */
export type LabelCounts = readonly (readonly [label: number, examples: number])[];

/** Bytes that one example takes in a block: its row, its runner-up label, its vector. */
export function exampleBlockBytes(neurons: number): number {
  return 4 * (2 + neurons);
}

/** Counts labels. */
export function countLabels(labels: ArrayLike<number>): LabelCounts {
  const counts = new Map<number, number>();
  for (let place = 0; place < labels.length; place++) {
    counts.set(labels[place], (counts.get(labels[place]) ?? 0) + 1);
  }
  return [...counts].sort(([one], [other]) => one - other);
}

/** Adds up the counts of several parts. */
export function addCounts(parts: Iterable<LabelCounts>): LabelCounts {
  const counts = new Map<number, number>();
  for (const part of parts) {
    for (const [label, examples] of part) counts.set(label, (counts.get(label) ?? 0) + examples);
  }
  return [...counts].sort(([one], [other]) => one - other);
}

/** Writes a block for each label, ascending; within a block the examples keep their order. */
export function writeBlocks(examples: ExtractedExamples): Uint8Array<ArrayBuffer> {
  const { labels, rows, runnersUp, vectors } = examples;
  const neurons = vectors.length / labels.length;
  const bytes = new Uint8Array(labels.length * exampleBlockBytes(neurons));
  let offset = 0;
  for (const [label, count] of countLabels(labels)) {
    const block = blockViews(bytes, { offset, count, neurons });
    let place = 0;
    for (let from = 0; from < labels.length; from++) {
      if (labels[from] !== label) continue;
      block.rows[place] = rows[from];
      block.runnersUp[place] = runnersUp[from];
      block.vectors.set(vectors.subarray(from * neurons, (from + 1) * neurons), place * neurons);
      place++;
    }
    offset += count * exampleBlockBytes(neurons);
  }
  return bytes;
}

/**
 * Where the blocks of some labels lie among those of all.
 * @param from first label that is wanted, `to` the first behind them
 * @returns bytes, and the counts of the labels in them
 */
export function blocksRange(
  counts: LabelCounts,
  { from, to, neurons }: { from: number; to: number; neurons: number },
): { offset: number; length: number; counts: LabelCounts } {
  const examplesOf = (part: LabelCounts) => part.reduce((sum, [, examples]) => sum + examples, 0);
  const wanted = counts.filter(([label]) => label >= from && label < to);
  const before = examplesOf(counts.filter(([label]) => label < from));
  const size = exampleBlockBytes(neurons);
  return { offset: before * size, length: examplesOf(wanted) * size, counts: wanted };
}

/** The classes of some blocks that stand one behind the other, as views of them. */
export function* readBlocks(
  bytes: Uint8Array<ArrayBuffer>,
  counts: LabelCounts,
  neurons: number,
): Generator<readonly [label: number, examples: ClassExamples], void, void> {
  let offset = 0;
  for (const [label, count] of counts) {
    yield [label, blockViews(bytes, { offset, count, neurons })];
    offset += count * exampleBlockBytes(neurons);
  }
  assert(offset === bytes.length, 'the blocks are those of the counts');
}

/** Puts the blocks of several shards together, class by class, in the order in which they are added. */
export interface BlockGatherer {
  /** @param part of the blocks of `counts`, ascending */
  add(part: Uint8Array<ArrayBuffer>, counts: LabelCounts): void;
  /** The blocks of all classes, ascending, one behind the other. @throws where an example is missing */
  bytes(): Uint8Array<ArrayBuffer>;
}

/**
 * Makes room for some classes.
 * @param counts their examples in all shards
 */
export function gatherBlocks(counts: LabelCounts, neurons: number): BlockGatherer {
  const size = exampleBlockBytes(neurons);
  const bytes = new Uint8Array(counts.reduce((sum, [, count]) => sum + count, 0) * size);
  let start = 0;
  const classes = new Map(
    counts.map(([label, count]) => {
      const block = blockViews(bytes, { offset: start, count, neurons });
      start += count * size;
      return [label, { filled: 0, block }];
    }),
  );
  return {
    add(part, added) {
      let offset = 0;
      for (const [label, count] of added) {
        const target = classes.get(label);
        assert(target !== undefined, 'there is room for the class');
        const source = blockViews(part, { offset, count, neurons });
        target.block.rows.set(source.rows, target.filled);
        target.block.runnersUp.set(source.runnersUp, target.filled);
        target.block.vectors.set(source.vectors, target.filled * neurons);
        target.filled += count;
        offset += count * size;
      }
    },
    bytes() {
      const isWhole = [...classes.values()].every(({ filled, block }) => filled === block.rows.length);
      assert(isWhole, 'every example of a class was added');
      return bytes;
    },
  };
}

function blockViews(
  bytes: Uint8Array<ArrayBuffer>,
  { offset, count, neurons }: { offset: number; count: number; neurons: number },
) {
  const at = bytes.byteOffset + offset;
  return {
    rows: new Uint32Array(bytes.buffer, at, count),
    runnersUp: new Int32Array(bytes.buffer, at + 4 * count, count),
    vectors: new Float32Array(bytes.buffer, at + 8 * count, count * neurons),
  };
}
