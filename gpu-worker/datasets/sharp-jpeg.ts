// An image through JPEG and back, by libvips.
import sharp from 'sharp';

/**
 * Encodes an image as JPEG and decodes it again.
 * @param image [channels, height, width] row-major in [0, 1], one or three channels
 * @param quality 1 to 100
 * @returns the same shape, multiples of 1/255
 */
export async function jpegRoundTrip(
  image: Float32Array,
  [channels, height, width]: readonly number[],
  quality: number,
): Promise<Float32Array> {
  const pixels = height * width;
  const bytes = new Uint8Array(image.length);
  for (let index = 0; index < image.length; index++) {
    // libvips keeps the channels of a pixel together.
    bytes[(index % pixels) * channels + Math.floor(index / pixels)] = Math.round(255 * image[index]);
  }
  const raw = { width, height, channels: channels as 1 | 3 };
  const encoded = await sharp(bytes, { raw }).jpeg({ quality }).toBuffer();
  const decoder = sharp(encoded);
  const decoded = await (channels === 1 ? decoder.greyscale() : decoder).raw().toBuffer();
  return image.map((_, index) => decoded[(index % pixels) * channels + Math.floor(index / pixels)] / 255);
}
