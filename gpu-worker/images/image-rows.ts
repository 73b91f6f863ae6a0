// Examples as they are sent (float32, bytes or whole files) as the rows that a model reads.
import { assertShape } from '../../shared/assert.ts';
import { GuardError } from '../../shared/errors.ts';
import { elementCount, type NamedTensor } from '../../shared/maths/tensor.ts';
import { type ByteTensor, unpackByteElements } from '../../shared/oip/byte-elements.ts';
import type { LazyRows } from '../engine/run-parts.ts';
import { checkImage, decodeImage } from './sharp-image.ts';

/** Files whose headers are read at the same time. */
const headersInFlight = 16;

/** What a model reads. */
export interface ImageInput {
  /** Of one input. */
  readonly inputShape: readonly number[];
  /** Lowest and highest valid value: what the bytes 0 and 255 become. */
  readonly range: readonly [number, number];
}

/** Examples that fit a model. */
export interface ImageRowsOptions extends ImageInput {
  /** Rows of a request; more are refused before a file is looked at. */
  readonly rowsMax: number;
  /** Pointer of the tensor for errors, such as `/inputs/0`. */
  readonly where: string;
  /** What to call a row in errors; `example` and its number where it is not given. */
  readonly nameOf?: (row: number) => string;
}

/** Lazy rows under the name of their tensor. */
export type NamedRows = LazyRows & { readonly name: string };

/** Turns bytes into values of the model's range; 0 to 1 gives what `byte / 255` is as a float32. */
export function scaleBytes(bytes: Uint8Array, [low, high]: ImageInput['range']): Float32Array<ArrayBuffer> {
  const values = Float32Array.from({ length: 256 }, (_, byte) => low + (byte / 255) * (high - low));
  return new Float32Array(bytes).map((byte) => values[byte]);
}

/**
 * Takes examples as float32 values, as UINT8 pixels, channels first, whose shape is left to who compares it with the model's, or
 * as BYTES: PNG or JPEG files.
 * @returns the tensor itself where it is of neither of the latter
 * @throws GuardError `invalid_input` with the number of an example whose file is no image of the model's shape,
 *   `batch_too_large` over `rowsMax` files
 */
export async function imageRows(
  tensor: NamedTensor | ByteTensor,
  options: ImageRowsOptions,
): Promise<NamedTensor | NamedRows> {
  if (tensor.datatype === 'BYTES') return fileRows(tensor, options);
  return tensor.datatype === 'UINT8' ? byteRows(tensor, options) : tensor;
}

function byteRows({ name, shape, data }: NamedTensor, { range }: ImageInput): NamedRows {
  const size = elementCount(shape.slice(1));
  const bytes = data as Uint8Array;
  return {
    name,
    datatype: 'FP32',
    shape,
    read: (first, count) =>
      Promise.resolve(scaleBytes(bytes.subarray(first * size, (first + count) * size), range)),
  };
}

/** All headers are read and checked at once; a file is decoded when its turn has come. */
async function fileRows(tensor: ByteTensor, options: ImageRowsOptions): Promise<NamedRows> {
  const { inputShape, range, rowsMax, where, nameOf = (row) => `example ${row}` } = options;
  const [rows, ...rest] = tensor.shape;
  if (rows === undefined || rest.length > 0) {
    throw refused(where, `BYTES of shape [${tensor.shape.join(', ')}] are no list of files`);
  }
  if (rows > rowsMax) throw new GuardError('batch_too_large', `${rows} rows; the limit is ${rowsMax}`);
  const [channels, height, width] = inputShape;
  if (inputShape.length !== 3) {
    throw refused(where, `the model reads [${inputShape.join(', ')}], which is no image`);
  }
  const shape = [channels, height, width] as const;
  const files = unpackByteElements(tensor.data, rows, where);
  const specOf = (row: number) => ({ shape, name: nameOf(row) });
  await inTurns(files, async (file, row) => {
    await checkImage(file, specOf(row)).catch(placed(`${where}/${row}`));
  });
  return {
    name: tensor.name,
    datatype: 'FP32',
    shape: [rows, ...shape],
    async read(first, count) {
      const decoded = await Promise.all(
        files
          .slice(first, first + count)
          .map((file, place) =>
            decodeImage(file, specOf(first + place)).catch(placed(`${where}/${first + place}`)),
          ),
      );
      const size = elementCount(shape);
      const values = new Float32Array(count * size);
      for (const [place, bytes] of decoded.entries()) values.set(scaleBytes(bytes, range), place * size);
      assertShape(values, [count, ...shape], 'decoded images');
      return values;
    },
  };
}

/** Works through a list, some at a time; of several failures the one that comes first in the list need not be the one thrown. */
async function inTurns<T>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  for (let first = 0; first < items.length; first += headersInFlight) {
    const turn = items.slice(first, first + headersInFlight);
    await Promise.all(turn.map((item, place) => work(item, first + place)));
  }
}

/** Adds the place to a refusal. The request is sound and no larger than it may be, whatever is wrong with one of its files. */
function placed(pointer: string): (thrown: unknown) => never {
  return (thrown) => {
    if (!(thrown instanceof GuardError)) throw thrown;
    const { message } = thrown;
    throw new GuardError('invalid_input', message, { cause: thrown, places: [{ pointer, detail: message }] });
  };
}

function refused(pointer: string, detail: string): GuardError {
  return new GuardError('invalid_input', `${pointer}: ${detail}`, { places: [{ pointer, detail }] });
}
