// Whether an engine works here at all: a tiny model, loaded, run and checked.
import { buildOn, newModel } from '../onnx/graph.ts';
import { saveModel } from '../onnx/model-file.ts';
import type { Engine } from './engine.ts';
import { selfCheck } from './self-check.ts';

/**
 * Loads and runs a convolution and a linear layer. The runtime's own list of backends says what it was built with, not what works.
 * @throws GuardError with the runtime's reason, or with what it computed otherwise than the reference
 */
export async function probeEngine(engine: Engine, reference: Engine): Promise<void> {
  const model = newModel('nccr-guard probe', 17);
  const graph = buildOn(model, 'probe');
  const x = graph.input('x', ['R', 1, 6, 6]);
  const kernel = graph.floats(
    [2, 1, 3, 3],
    Array.from({ length: 18 }, (_, index) => (index % 5) - 2),
  );
  const maps = graph.op('Relu', [graph.op('Conv', [x, kernel], { kernel_shape: [3, 3] })]);
  const flat = graph.op('Reshape', [maps, graph.ints([-1, 32])]);
  const weights = graph.floats(
    [32, 3],
    Array.from({ length: 96 }, (_, index) => ((index % 7) - 3) / 8),
  );
  graph.op('MatMul', [flat, weights], {}, 'logits');
  graph.output('logits', ['R', 3]);
  const bytes = saveModel(model);
  const [own, expected] = [await engine.load(bytes), await reference.load(bytes)];
  await selfCheck(own, expected, { batches: [2] });
  await Promise.all([own.release(), expected.release()]);
}
