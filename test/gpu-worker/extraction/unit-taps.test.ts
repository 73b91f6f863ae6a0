import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { withUnitTaps } from '../../../gpu-worker/extraction/unit-taps.ts';
import type { GraphBuilder } from '../../../gpu-worker/onnx/graph.ts';
import { extractionPlanSchema, planUnits } from '../../../shared/contracts/extraction.ts';
import { smallModel, weights } from '../onnx/small-model.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOrtEngine({ workers: 1 });
});
afterAll(() => engine.close());

const plan = extractionPlanSchema.parse({
  input_range: [0, 1],
  noise: [],
  transforms: [{ family: 'mirror' }, { family: 'total-variation', weight: 0.1, iterations: 2 }],
  taps: [{ kind: 'layer', tensor: 'scores' }],
});

/** conv, ReLU, a residual block with a ReLU inside, SiLU, pool, and a way round that reads shapes alone. */
function residual(graph: GraphBuilder, input: string): string {
  const convolve = (tensor: string, [outputs, inputs]: readonly [number, number]) =>
    graph.op('Conv', [tensor, weights(graph, [outputs, inputs, 3, 3])], { pads: [1, 1, 1, 1] });
  const first = graph.op('Relu', [convolve(input, [4, 2])], {}, 'first');
  const inner = graph.op('Relu', [convolve(first, [4, 4])], {}, 'inner');
  const block = graph.op('Relu', [graph.op('Add', [convolve(inner, [4, 4]), first])], {}, 'block');
  const wide = convolve(block, [6, 4]);
  const silu = graph.op('Mul', [wide, graph.op('Sigmoid', [wide], {}, 'gate')], {}, 'silu');
  const pooled = graph.op('GlobalAveragePool', [silu], {}, 'pooled');
  const batch = graph.op('Slice', [
    graph.op('Shape', [input]),
    graph.ints([0]),
    graph.ints([1]),
    graph.ints([0]),
  ]);
  const shape = graph.op('Concat', [batch, graph.ints([6])], { axis: 0 });
  return graph.op('Reshape', [pooled, shape]);
}

describe('taps of units', () => {
  it('are on the ends of layers that every path runs through, and on the logits', async () => {
    const { taps } = await withUnitTaps(smallModel(residual), plan, { engine });
    expect(taps).toEqual([
      { kind: 'layer', tensor: 'scores' },
      ...[
        ['first', 4],
        ['block', 4],
        ['silu', 6],
        ['pooled', 6],
        ['scores', 6],
      ].map(([tensor, units]) => ({ kind: 'units', tensor, transform: 1, units })),
    ]);
  });

  it('are on the tensors that are named, in their order', async () => {
    const tensors = ['scores', 'inner'];
    const withTaps = await withUnitTaps(smallModel(residual), plan, { engine, tensors });
    expect(withTaps.taps.slice(1).map(({ tensor }) => tensor)).toEqual(tensors);
    expect(planUnits(withTaps)).toBe(10);
    expect(extractionPlanSchema.parse(withTaps)).toEqual(withTaps);
  });

  it('of a linear model are its logits', async () => {
    const linear = smallModel((graph, input) => graph.op('MatMul', [input, weights(graph, [6, 3])]));
    const { taps } = await withUnitTaps(linear, plan, { engine });
    expect(taps.slice(1)).toEqual([{ kind: 'units', tensor: 'scores', transform: 1, units: 36 }]);
  });

  it('are refused without a total variation, and on a tensor that is not there or has lost the batch', async () => {
    const model = smallModel(residual);
    const shifted = { ...plan, transforms: plan.transforms.slice(0, 1) };
    await expect(withUnitTaps(model, shifted, { engine })).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringContaining('total-variation'),
    });
    await expect(withUnitTaps(model, plan, { engine, tensors: ['frist'] })).rejects.toMatchObject({
      code: 'invalid_model',
      message: expect.stringMatching(/no tensor frist; near it are first/),
    });
    await expect(withUnitTaps(model, plan, { engine, tensors: ['small/Shape'] })).rejects.toMatchObject({
      code: 'invalid_model',
    });
  });
});
