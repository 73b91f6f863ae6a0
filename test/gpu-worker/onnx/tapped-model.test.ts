import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { tappedModel } from '../../../gpu-worker/onnx/tapped-model.ts';
import { float32Tensor } from '../../../shared/maths/tensor.ts';
import { smallModel } from './small-model.ts';

describe('a tapped model', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createOrtEngine({ workers: 1 });
  });
  afterAll(() => engine.close());

  // One channel of 4 x 5 pixels, doubled, then summed to two classes.
  const model = smallModel(
    (graph, input) => {
      const doubled = graph.op('Mul', [input, graph.floats([], [2])], {}, 'doubled');
      const flat = graph.op('Flatten', [doubled], {}, 'flat');
      return graph.op('MatMul', [
        flat,
        graph.floats(
          [20, 2],
          Array.from({ length: 40 }, () => 0.5),
        ),
      ]);
    },
    { shape: ['batch', 1, 4, 5] },
  );
  const pixels = Float32Array.from({ length: 20 }, (_, pixel) => pixel);

  it('gives activations beside the logits, large maps averaged over windows', async () => {
    const { bytes, widths } = await tappedModel(model, { engine, tensors: ['doubled', 'flat'], gridMax: 2 });
    // Windows of 2 x 3 give 2 x 1 means; the columns that fill no window are left out. A vector is no map.
    expect(widths).toEqual([2, 20]);
    const loaded = await engine.load(bytes);
    const answer = await loaded.run({ x: float32Tensor(pixels, [1, 1, 4, 5]) });
    // By hand: 2 * mean of 0, 1, 2, 5, 6, 7 and of 10, 11, 12, 15, 16, 17.
    expect([...(answer.tap_0.data as Float32Array)]).toEqual([7, 27]);
    expect(answer.tap_1.data).toEqual(pixels.map((value) => 2 * value));
    expect([...(answer.logits.data as Float32Array)]).toEqual([190, 190]);
    await loaded.release();
  });

  it('leaves maps as they are that are small enough', async () => {
    for (const gridMax of [5, undefined]) {
      const options = { engine, tensors: ['doubled'], ...(gridMax && { gridMax }) };
      expect((await tappedModel(model, options)).widths).toEqual([20]);
    }
  });

  it('is refused for a tensor that is not there', async () => {
    await expect(tappedModel(model, { engine, tensors: ['double'] })).rejects.toThrow(
      /no tensor double; near it are .*doubled/,
    );
  });
});
