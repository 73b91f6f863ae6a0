import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { forwardModel } from '../../../gpu-worker/onnx/forward-model.ts';
import { elementCount } from '../../../shared/maths/tensor.ts';
import { sharedFolder } from '../../helpers/shared-folder.ts';

describe.skipIf(sharedFolder === undefined)('the plain forward pass (needs ../shared/models)', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createOrtEngine({ workers: 1 });
  });
  afterAll(() => engine.close());

  for (const name of [
    'mnist-lenet5',
    'cifar10-resnet8',
    'reference/lenet_b1',
    'reference/vggs_b1',
    'reference/resnet20',
  ]) {
    it(`gives the logits of ${name} for any batch under the same names`, async () => {
      const bytes = await readFile(`${sharedFolder}models/${name}.onnx`);
      const [original, forward] = [
        await engine.load(bytes),
        await engine.load(await forwardModel(bytes, { engine })),
      ];
      const shape = forward.inputs[0].shape.slice(1);
      const data = Float32Array.from({ length: 2 * elementCount(shape) }, (_, index) =>
        Math.abs(Math.sin(index)),
      );
      const both = await forward.run({ x: { datatype: 'FP32', shape: [2, ...shape], data } });
      expect(both.logits.shape[0]).toBe(2);
      const half = elementCount(shape);
      for (const row of [0, 1]) {
        const x = {
          datatype: 'FP32' as const,
          shape: [1, ...shape],
          data: data.slice(row * half, (row + 1) * half),
        };
        const [expected] = Object.values(await original.run({ [original.inputs[0].name]: x }));
        const classes = expected.data.length;
        const found = both.logits.data.slice(row * classes, (row + 1) * classes) as Float32Array;
        for (const [index, value] of found.entries())
          expect(value).toBeCloseTo((expected.data as Float32Array)[index], 4);
      }
      await Promise.all([original.release(), forward.release()]);
    });
  }
});
