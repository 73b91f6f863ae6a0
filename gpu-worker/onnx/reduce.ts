// Reductions in an ONNX graph, whose axes moved from an attribute to an input over the versions.
import type { GraphBuilder } from './graph.ts';

/** Operator set from which on the axes are an input. */
const axesInput = { Sum: 13, Mean: 18, Max: 18, Prod: 18 } as const;

/** How a tensor is reduced. */
export interface Reduction {
  readonly axes: readonly number[];
  /** Whether the reduced axes stay, with extent 1. */
  readonly keep: boolean;
}

/** Adds a reduction over some axes and returns its output. */
export function reduce(
  graph: GraphBuilder,
  kind: keyof typeof axesInput,
  tensor: string,
  { axes, keep }: Reduction,
): string {
  const keepdims = keep ? 1 : 0;
  return graph.opset >= axesInput[kind]
    ? graph.op(`Reduce${kind}`, [tensor, graph.ints(axes)], { keepdims })
    : graph.op(`Reduce${kind}`, [tensor], { axes: [...axes], keepdims });
}
