// The sliding window that convolutions and pools share, and the way back through it.
import { intsAttribute, stringAttribute } from '../attributes.ts';
import type { NodeProto } from '../schema/messages.ts';
import { type GradientContext, refuseForm } from './gradient-rule.ts';

/** A window, each list with one entry a spatial axis. */
export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Padding before the first element. */
  readonly begin: readonly number[];
  /** Padding after the last element. */
  readonly end: readonly number[];
}

/** Spatial extents before and after a window. */
export interface WindowExtents {
  readonly input: readonly number[];
  readonly output: readonly number[];
}

/** Spatial extents of a node's input and output; free ones are refused. */
export function extentsOf({ shapeOf }: GradientContext, node: NodeProto): WindowExtents {
  const [input, output] = [node.input[0], node.output[0]].map((name) => shapeOf(name).slice(2));
  if ([...input, ...output].some((extent) => !(extent > 0))) return refuseForm(node, 'its extents are free');
  return { input, output };
}

/** Reads a node's window; automatic padding is worked out from the extents. */
export function windowOf(
  node: NodeProto,
  { input, output }: WindowExtents,
  kernel: readonly number[],
): Window {
  const axes = kernel.map((_, axis) => axis);
  const strides = intsAttribute(node, 'strides') ?? axes.map(() => 1);
  const dilations = intsAttribute(node, 'dilations') ?? axes.map(() => 1);
  const pads = intsAttribute(node, 'pads') ?? [...axes, ...axes].map(() => 0);
  const mode = stringAttribute(node, 'auto_pad', 'NOTSET');
  if (mode === 'NOTSET') {
    return {
      kernel,
      strides,
      dilations,
      begin: pads.slice(0, kernel.length),
      end: pads.slice(kernel.length),
    };
  }
  const totals = axes.map((axis) => {
    const span = (output[axis] - 1) * strides[axis] + dilations[axis] * (kernel[axis] - 1) + 1;
    return mode === 'VALID' ? 0 : Math.max(0, span - input[axis]);
  });
  const smaller = totals.map((total) => Math.floor(total / 2));
  const larger = totals.map((total) => Math.ceil(total / 2));
  const [begin, end] = mode === 'SAME_LOWER' ? [larger, smaller] : [smaller, larger];
  return { kernel, strides, dilations, begin, end };
}

/** The window with the padding that its last place reaches into, where the number of places was rounded up. */
export function reachingWindow(window: Window, { input, output }: WindowExtents): Window {
  const { kernel, strides, dilations, begin } = window;
  const end = window.end.map((padding, axis) => {
    const span = (output[axis] - 1) * strides[axis] + dilations[axis] * (kernel[axis] - 1) + 1;
    return Math.max(padding, span - begin[axis] - input[axis]);
  });
  return { ...window, end };
}

/** Whether windows stand side by side: none overlaps another or reaches into the padding. */
export function tiles({ kernel, strides, dilations, begin, end }: Window): boolean {
  const plain = [...begin, ...end].every((pad) => pad === 0) && dilations.every((dilation) => dilation === 1);
  return plain && kernel.every((extent, axis) => extent === strides[axis]);
}

/**
 * The transpose of a convolution: every output element adds its gradient, weighted, to the window that it saw.
 * @param weights of the convolution itself, [outputs, inputs / group, ...kernel]
 */
export function transposedConvolution(
  { graph }: GradientContext,
  gradient: string,
  options: { weights: string; window: Window; extents: WindowExtents; group: number },
): string {
  const { weights, window, extents, group } = options;
  const { kernel, strides, dilations, begin, end } = window;
  // Input elements behind the last window took part in nothing, yet they have a gradient: 0.
  const unseen = kernel.map((extent, axis) => {
    const span = (extents.output[axis] - 1) * strides[axis] + dilations[axis] * (extent - 1) + 1;
    return extents.input[axis] - (span - begin[axis] - end[axis]);
  });
  return graph.op('ConvTranspose', [gradient, weights], {
    kernel_shape: kernel,
    strides,
    dilations,
    pads: [...begin, ...end],
    output_padding: unseen,
    group,
  });
}
