// Where the channels of an array of images stand.
import { elementCount } from '../maths/tensor.ts';
import { type ImageShape, invalidUpload, type UploadOptions } from './upload.ts';

/** Channels that images have where nothing says which axis they are: grey, colour, either with opacity. */
const channelsMax = 4;

/** Shape of one image as a model reads it, and where the array has its channels. */
export interface ImageLayout {
  readonly shape: ImageShape;
  readonly layout: 'nchw' | 'nhwc';
}

/**
 * Takes the layout from the options, or the only one that fits: the model's shape, or else an axis of at most four channels.
 * @param shape of the array: [N, C, H, W], [N, H, W, C], [N, H, W], or [N, D] where the model's shape is given
 * @throws GuardError `invalid_dataset` where none fits, or both do
 */
export function layoutOf(
  shape: readonly number[],
  { name, options }: { name: string; options: UploadOptions },
): ImageLayout {
  const said = `${name} has shape [${shape.join(', ')}]`;
  if (shape.length === 2 && options.shape !== undefined && shape[1] === elementCount(options.shape)) {
    return { shape: options.shape, layout: options.layout ?? 'nchw' };
  }
  if (shape.length === 3) return { shape: [1, shape[1], shape[2]], layout: 'nchw' };
  if (shape.length !== 4) {
    throw invalidUpload(`${said}; images are [N, C, H, W], [N, H, W, C] or [N, H, W]`);
  }
  const [, first, second, third] = shape;
  const possible: readonly ImageLayout[] = [
    { shape: [first, second, third], layout: 'nchw' },
    { shape: [third, first, second], layout: 'nhwc' },
  ];
  const named = possible.find(({ layout }) => layout === options.layout);
  if (named !== undefined) return named;
  const fitting = possible.filter(({ shape: image }) =>
    options.shape === undefined ? image[0] <= channelsMax : image.join() === options.shape.join(),
  );
  if (fitting.length === 1) return fitting[0];
  if (fitting.length === 0 && options.shape !== undefined) {
    throw invalidUpload(
      `${said}; the model reads images of [${options.shape.join(', ')}] (channels, height, width)`,
    );
  }
  throw invalidUpload(`${said}, which does not say where the channels stand; give the layout, nchw or nhwc`);
}
