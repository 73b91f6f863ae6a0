import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { checkImage, decodeImage } from '../../../gpu-worker/images/sharp-image.ts';

const [width, height] = [5, 4];
const pixels = Buffer.from(Array.from({ length: 3 * width * height }, (_, index) => (index * 37) % 251));
const colour = () => sharp(pixels, { raw: { width, height, channels: 3 } });
const grey = () =>
  sharp(pixels.subarray(0, width * height), { raw: { width, height, channels: 1 } }).toColourspace('b-w');
const spec = { shape: [3, height, width] as const, name: 'example 3' };

/** A PNG whose header says another size than it has, with a right checksum. */
async function claiming(claimed: { width: number; height: number }): Promise<Buffer> {
  const png = await colour().png().toBuffer();
  png.writeUInt32BE(claimed.width, 16);
  png.writeUInt32BE(claimed.height, 20);
  png.writeUInt32BE(crc32(png.subarray(12, 29)), 29);
  return png;
}

describe('an image file', () => {
  it('is decoded channels first, a PNG to the byte', async () => {
    const png = await colour().png().toBuffer();
    await checkImage(png, spec);
    const planes = await decodeImage(png, spec);
    for (let position = 0; position < width * height; position++) {
      for (let channel = 0; channel < 3; channel++) {
        expect(planes[channel * width * height + position]).toBe(pixels[3 * position + channel]);
      }
    }
    const one = { ...spec, shape: [1, height, width] as const };
    const greyPng = await grey().png().toBuffer();
    await checkImage(greyPng, one);
    expect([...(await decodeImage(greyPng, one))]).toEqual([...pixels.subarray(0, width * height)]);
  });

  it('is decoded where it is a JPEG or has a palette, to their losses', async () => {
    const flat = () => sharp({ create: { width, height, channels: 3, background: '#c86432' } });
    for (const file of [await flat().jpeg().toBuffer(), await flat().png({ palette: true }).toBuffer()]) {
      await checkImage(file, spec);
      const planes = await decodeImage(file, spec);
      for (const [channel, value] of [200, 100, 50].entries()) {
        expect(Math.abs(planes[channel * width * height] - value)).toBeLessThan(4);
      }
    }
  });

  it('is taken with the colours that it holds, whatever its profile says', async () => {
    const plain = await colour().png().toBuffer();
    const profiled = await sharp(plain).withIccProfile('p3').png().toBuffer();
    const held = await sharp(profiled, { ignoreIcc: true }).raw().toBuffer();
    const planes = await decodeImage(profiled, spec);
    expect([planes[0], planes[width * height], planes[2 * width * height]]).toEqual([...held.subarray(0, 3)]);
  });

  it('is refused by its header where its size, channels or depth are not those of the model', async () => {
    const refusal = async (file: Uint8Array) => checkImage(file, spec);
    const small = await colour().resize(3, 3).png().toBuffer();
    await expect(refusal(small)).rejects.toThrow('example 3 has 3 x 3 pixels, the model reads 5 x 4');
    await expect(refusal(await grey().png().toBuffer())).rejects.toThrow(/1 channels, the model reads 3/);
    await expect(refusal(await colour().ensureAlpha().png().toBuffer())).rejects.toThrow(/4 channels/);
    const deep = await colour().toColourspace('rgb16').png().toBuffer();
    await expect(refusal(deep)).rejects.toThrow(/more than 8 bits/);
  });

  it('that would unpack to gigabytes is refused before a pixel is decoded', async () => {
    const before = process.memoryUsage().rss;
    await expect(checkImage(await claiming({ width: 60_000, height: 60_000 }), spec)).rejects.toMatchObject({
      code: 'body_too_large',
      message: expect.stringMatching(/60000 x 60000 pixels, the model reads 5 x 4/),
    });
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
    // A decoder that is given such a file all the same refuses it too.
    await expect(decodeImage(await claiming({ width: 600, height: 600 }), spec)).rejects.toMatchObject({
      code: 'malformed_request',
    });
  });

  it('is refused where it is cut short, empty or another format', async () => {
    const png = await colour().png().toBuffer();
    const cut = png.subarray(0, png.length - 30);
    await expect(decodeImage(cut, spec)).rejects.toThrow(/example 3 is damaged/);
    const jpeg = await colour().jpeg().toBuffer();
    await expect(decodeImage(jpeg.subarray(0, jpeg.length - 60), spec)).rejects.toThrow(/is damaged/);
    const svg = new TextEncoder().encode(`<svg xmlns="http://www.w3.org/2000/svg" width="5" height="4"/>`);
    for (const file of [svg, new Uint8Array(0), await colour().webp().toBuffer()]) {
      await expect(checkImage(file, spec)).rejects.toThrow('example 3 is neither a PNG nor a JPEG file');
    }
    await expect(checkImage(png.subarray(0, 20), spec)).rejects.toThrow(/damaged/);
  });
});
