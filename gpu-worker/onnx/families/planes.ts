// What a transform of the input builds on: the channels of all images as planes of one batch.
import type { Transform } from '../../../shared/contracts/transform.ts';
import { GuardError } from '../../../shared/errors.ts';
import type { GraphBuilder } from '../graph.ts';

/** Planes of one size in a graph under construction. */
export interface PlanesContext {
  readonly graph: GraphBuilder;
  /** Tensor [R * planes, 1, height, width]. */
  readonly planes: string;
  readonly height: number;
  readonly width: number;
  /** Lowest and highest valid value of the input; whoever calls a transform clips its copy to it. */
  readonly range: readonly [number, number];
}

/** Extents of the planes of one input. */
export interface PlaneExtents {
  readonly height: number;
  readonly width: number;
}

/** Channels that an image in a file has: grey, red-green-blue, and either with transparency. */
const imageChannels: readonly number[] = [1, 2, 3, 4];

/**
 * Reads an input's shape as planes: an image [C, H, W] as it is, a signal [L] as one plane of one row. The bit depth, for
 * which places do not matter, takes every shape.
 * @throws GuardError `invalid_model` with the reason where the transform makes no sense of the shape
 */
export function planeExtents(shape: readonly number[], { family }: Transform): PlaneExtents {
  const refuse = (reason: string): never => {
    const detail = `the family ${family} does not fit the input [${shape.join(', ')}]: ${reason}`;
    throw new GuardError('invalid_model', detail);
  };
  if (family === 'bit-depth')
    return { height: 1, width: shape.reduce((product, extent) => product * extent, 1) };
  if (shape.length === 1) {
    if (family === 'mirror') return refuse('only an image has a left and a right');
    return { height: 1, width: shape[0] };
  }
  if (shape.length !== 3) return refuse('it takes images [channels, height, width] and signals [length]');
  const [channels, height, width] = shape;
  if (!imageChannels.includes(channels) && imageChannels.includes(width)) {
    return refuse('its channels stand last; export the model with images [channels, height, width]');
  }
  return { height, width };
}

/**
 * Appends convolutions over planes as volumes of one layer, [R * planes, channels, 1, height, width].
 *
 * The runtime pads the few channels of flat images to blocks of eight or sixteen before it convolves them, which takes
 * twice as long; volumes it leaves as they are.
 */
export function onVolumes(
  { graph, planes, height, width }: PlanesContext,
  append: (volumes: string) => string,
): string {
  const volumes = graph.op('Reshape', [planes, graph.ints([-1, 1, 1, height, width])]);
  return graph.op('Reshape', [append(volumes), graph.ints([-1, 1, height, width])]);
}

/** Refuses a setting that the planes are too small for. */
export function refuseSetting(family: Transform['family'], reason: string): never {
  throw new GuardError('invalid_model', `the family ${family}: ${reason}`);
}
