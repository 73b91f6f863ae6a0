import { describe, expect, it } from 'vitest';
import { buildOn, newModel } from '../../../gpu-worker/onnx/graph.ts';
import { renameTensors, tensorNames, tidyGraph } from '../../../gpu-worker/onnx/graph-order.ts';

/** x -> a -> b -> y with the nodes in the wrong order, and a branch that no output needs. */
function tangled() {
  const model = newModel('tangled', 17);
  const graph = buildOn(model, 'own');
  graph.input('x', ['n', 2]);
  graph.op('Relu', ['b'], {}, 'y');
  graph.op('Neg', ['a'], {}, 'unused');
  graph.op('Exp', ['a'], {}, 'b');
  graph.op('Add', ['x', graph.floats([2], [1, 2])], {}, 'a');
  graph.floats([1], [3]);
  graph.output('y', ['n', 2]);
  return model;
}

describe('tidyGraph', () => {
  it('puts nodes after what they read and drops what no output needs', () => {
    const model = tangled();
    tidyGraph(model);
    expect(model.graph.node.map(({ output }) => output[0])).toEqual(['a', 'b', 'y']);
    expect(model.graph.initializer.length).toBe(1);
  });

  it('names a node that reads what nothing gives', () => {
    const model = tangled();
    model.graph.node[3].input[0] = 'missing';
    expect(() => tidyGraph(model)).toThrow('Add (a) reads missing, which nothing gives');
  });

  it('names a node of a circle', () => {
    const model = tangled();
    model.graph.node[3].input[0] = 'b';
    expect(() => tidyGraph(model)).toThrow(/reads its own result/);
  });
});

describe('renameTensors', () => {
  it('renames inputs, outputs and what stands between', () => {
    const model = tangled();
    renameTensors(
      model.graph,
      new Map([
        ['x', 'first'],
        ['a', 'second'],
        ['y', 'last'],
      ]),
    );
    const names = tensorNames(model.graph);
    expect(['first', 'second', 'last'].every((name) => names.has(name))).toBe(true);
    expect(['x', 'a', 'y'].some((name) => names.has(name))).toBe(false);
    tidyGraph(model);
  });
});
