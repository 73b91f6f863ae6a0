import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { buildOn, newModel } from '../../../gpu-worker/onnx/graph.ts';
import { layerTensors } from '../../../gpu-worker/onnx/layer-tensors.ts';
import { saveModel } from '../../../gpu-worker/onnx/model-file.ts';
import { lenetFile } from '../../helpers/command-line.ts';

/** A chain of `count` activations `a1`, `a2`, ... */
function chain(count: number, opType: string): Uint8Array {
  const model = newModel('chain', 16);
  const graph = buildOn(model, 't');
  graph.input('a0', ['N', 4]);
  for (let index = 1; index <= count; index++) graph.op(opType, [`a${index - 1}`], {}, `a${index}`);
  graph.output(`a${count}`, ['N', 4]);
  return saveModel(model);
}

describe('the layers of a model', () => {
  it('are what its activation functions give, in order', async () => {
    expect(layerTensors(await readFile(lenetFile), 8)).toEqual(['conv1', 'conv2', 'fc1', 'fc2']);
    expect(layerTensors(chain(2, 'Identity'), 8)).toEqual([]);
  });

  it('are spread evenly where there are more than wanted, the last among them', () => {
    expect(layerTensors(chain(8, 'Tanh'), 4)).toEqual(['a2', 'a4', 'a6', 'a8']);
    expect(layerTensors(chain(5, 'Relu'), 3)).toEqual(['a2', 'a4', 'a5']);
    expect(layerTensors(chain(5, 'Relu'), 1)).toEqual(['a5']);
  });
});
