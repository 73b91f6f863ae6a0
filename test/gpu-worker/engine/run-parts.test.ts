import { describe, expect, it } from 'vitest';
import type { LoadedModel } from '../../../gpu-worker/engine/engine.ts';
import { runParts } from '../../../gpu-worker/engine/run-parts.ts';
import { float32Tensor, int64Tensor, type Tensor } from '../../../shared/maths/tensor.ts';

/** A stand-in for a session that tells what it was run with: each row's sum, and the sum plus its whole number. */
function summing(onRun: (feeds: Readonly<Record<string, Tensor>>) => void | Promise<void> = () => {}) {
  const model: LoadedModel = {
    inputs: [],
    outputs: [],
    async run(feeds) {
      await onRun(feeds);
      const rows = feeds.x.shape[0];
      const sums = Float32Array.from({ length: rows }, (_, row) =>
        (feeds.x.data as Float32Array).slice(2 * row, 2 * row + 2).reduce((sum, value) => sum + value, 0),
      );
      const numbered = sums.map((sum, row) => sum + Number(feeds.n.data[row]));
      return { sums: float32Tensor(sums, [rows, 1]), numbered: float32Tensor(numbered, [rows]) };
    },
    release: () => Promise.resolve(),
  };
  return model;
}

const rows = 7;
const x = Float32Array.from({ length: 2 * rows }, (_, index) => index);
const feeds = { x: float32Tensor(x, [rows, 2]), n: int64Tensor([0, 100, 200, 300, 400, 500, 600], [rows]) };
// By hand: row r holds 2r and 2r + 1.
const sums = [1, 5, 9, 13, 17, 21, 25];

describe('a batch in parts', () => {
  it('gives every row what it gives alone, in its place', async () => {
    const shapes: string[] = [];
    const model = summing(
      (part) => void shapes.push([part.x, part.n].map(({ shape }) => shape.join()).join(' ')),
    );
    for (const partRows of [1, 3, 7, 16]) {
      const outputs = await runParts(model, feeds, { rows, partRows, inFlight: 2 });
      expect([...(outputs.sums.data as Float32Array)]).toEqual(sums);
      expect(outputs.sums.shape).toEqual([7, 1]);
      expect([...(outputs.numbered.data as Float32Array)]).toEqual(sums.map((sum, row) => sum + 100 * row));
    }
    // Every run of a batch has one shape, the last one too.
    expect(shapes.slice(7, 10)).toEqual(['3,2 3', '3,2 3', '3,2 3']);
    expect(shapes.at(-1)).toBe('16,2 16');
  });

  it('makes lazy rows a part at a time, only those that there are', async () => {
    const read: string[] = [];
    const lazy = {
      datatype: 'FP32' as const,
      shape: [rows, 2],
      read: (first: number, count: number) => {
        read.push(`${first}+${count}`);
        return Promise.resolve(x.slice(2 * first, 2 * (first + count)));
      },
    };
    const outputs = await runParts(summing(), { ...feeds, x: lazy }, { rows, partRows: 3, inFlight: 1 });
    expect([...(outputs.sums.data as Float32Array)]).toEqual(sums);
    expect(read).toEqual(['0+3', '3+3', '6+1']);
  });

  it('has no more parts at work than it may', async () => {
    let running = 0;
    let most = 0;
    const model = summing(async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 1));
      running--;
    });
    await runParts(model, feeds, { rows, partRows: 1, inFlight: 3 });
    expect(most).toBe(3);
  });

  it('stops at the first part that fails, and where the caller leaves', async () => {
    let runs = 0;
    const failing = summing(() => {
      if (++runs === 2) throw new Error('the second fails');
    });
    await expect(runParts(failing, feeds, { rows, partRows: 1, inFlight: 1 })).rejects.toThrow(/second/);
    expect(runs).toBe(2);
    const left = AbortSignal.abort(new Error('gone'));
    const options = { rows, partRows: 1, inFlight: 1, signal: left };
    await expect(runParts(summing(), feeds, options)).rejects.toThrow(/gone/);
  });
});
