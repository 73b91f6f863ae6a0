// Properties of the protocol's bodies and the formats written here, over values that fast-check makes up.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseNpy, writeNpy } from '../../gpu-worker/datasets/npy.ts';
import { readNpz, writeNpz } from '../../gpu-worker/datasets/npz.ts';
import { GuardError } from '../../shared/errors.ts';
import { type Datatype, elementArrays, elementCount, type NamedTensor } from '../../shared/maths/tensor.ts';
import { packByteElements, unpackByteElements } from '../../shared/oip/byte-elements.ts';
import { elementsToBytes } from '../../shared/oip/elements.ts';
import { parseJson } from '../../shared/oip/parse-json.ts';
import { readRequest, readResponse } from '../../shared/oip/read-message.ts';
import { writeBinaryRequest, writeResponse } from '../../shared/oip/write-message.ts';
import { isRefused } from './target.ts';
import { readStrictly } from './targets/strict-oip.ts';

const seed = 20_261_123;
const numRuns = 500;
const datatypes = Object.keys(elementArrays) as Datatype[];
const shapes = fc.array(fc.nat(4), { maxLength: 4 });
const names = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 });

/** Elements from random bytes, so that NaN, both zeros and the ends of every range are among them. */
const tensors = fc
  .record({ name: names, datatype: fc.constantFrom(...datatypes), shape: shapes })
  .chain(({ name, datatype, shape }) => {
    const type = elementArrays[datatype];
    const size = elementCount(shape) * type.BYTES_PER_ELEMENT;
    return fc.uint8Array({ minLength: size, maxLength: size }).map((bytes): NamedTensor => {
      const own = datatype === 'BOOL' ? bytes.map((byte) => byte & 1) : bytes;
      return { name, datatype, shape, data: new type(new Uint8Array(own).buffer) };
    });
  });
const someTensors = fc.uniqueArray(tensors, { minLength: 1, maxLength: 4, selector: ({ name }) => name });

function check<T>(values: fc.Arbitrary<T>, property: (value: T) => void): void {
  fc.assert(fc.property(values, property), { seed, numRuns });
}

function plain(tensors: readonly NamedTensor[]): unknown[] {
  return tensors.map(({ name, datatype, shape, data }) => [
    name,
    datatype,
    shape,
    [...elementsToBytes({ data })],
  ]);
}

describe('a body of the protocol', () => {
  it('is read as it was written, to the bit, with the binary extension', () => {
    check(someTensors, (inputs) => {
      const { body, headers } = writeBinaryRequest(inputs);
      const headerLength = headers['inference-header-content-length'];
      expect(plain(readRequest({ bytes: body, headerLength }).inputs)).toEqual(plain(inputs));
      const strict = readStrictly({ bytes: body, jsonBytes: Number(headerLength) }, 'inputs');
      expect(strict.map(({ bytes }) => [...bytes])).toEqual(
        inputs.map((input) => [...elementsToBytes(input)]),
      );
    });
  });

  it('is read as it was written as JSON, where JSON can hold it', () => {
    check(someTensors, (outputs) => {
      const fit = outputs.filter(({ data }) =>
        Array.from(data as ArrayLike<number | bigint>, Number).every(
          (value, at) =>
            Number.isFinite(value) && (typeof data[at] === 'number' || Number.isSafeInteger(value)),
        ),
      );
      const { body } = writeResponse({ model_name: 'm' }, fit, () => false);
      expect(plain(readResponse({ bytes: body }).outputs)).toEqual(plain(fit));
    });
  });

  it('is refused, and never read otherwise, when it is cut', () => {
    check(
      fc.tuple(someTensors, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
      ([inputs, share]) => {
        const { body, headers } = writeBinaryRequest(inputs);
        const cut = body.subarray(0, Math.floor(share * body.length));
        expect(
          isRefused(() =>
            readRequest({ bytes: cut, headerLength: headers['inference-header-content-length'] }),
          ),
        ).toBe(true);
      },
    );
  });

  it('is refused or read whatever the bytes are', () => {
    const headers = fc.option(fc.oneof(fc.nat(64).map(String), fc.string({ maxLength: 12 })), {
      nil: undefined,
    });
    check(fc.tuple(fc.uint8Array({ maxLength: 64 }), headers), ([bytes, headerLength]) => {
      isRefused(() => readRequest({ bytes, headerLength }));
      isRefused(() => readResponse({ bytes, headerLength }));
    });
  });
});

describe('JSON', () => {
  it('is read as every parser reads it', () => {
    check(fc.json({ maxDepth: 6 }), (text) => {
      const bytes = new TextEncoder().encode(text);
      let read: unknown;
      if (isRefused(() => (read = parseJson(bytes)))) return;
      expect(read).toEqual(JSON.parse(text));
    });
  });

  it('is refused where a key is there twice, however it is escaped or cased', () => {
    const keys = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 });
    const escaped = (key: string) =>
      [...Array(key.length).keys()]
        .map((at) => `\\u${key.charCodeAt(at).toString(16).padStart(4, '0')}`)
        .join('');
    check(fc.tuple(keys, fc.boolean(), fc.boolean()), ([key, isEscaped, isUpper]) => {
      const second = isUpper ? key.toUpperCase() : key;
      const text = `{${JSON.stringify(key)}:1,"${isEscaped ? escaped(second) : JSON.stringify(second).slice(1, -1)}":2}`;
      expect(() => parseJson(new TextEncoder().encode(text))).toThrow(GuardError);
    });
  });
});

describe('what is packed', () => {
  it('unpacks to the same elements of BYTES', () => {
    check(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 10 }), (elements) => {
      const unpacked = unpackByteElements(packByteElements(elements), elements.length, '/inputs/0');
      expect(unpacked.map((bytes) => [...bytes])).toEqual(elements.map((bytes) => [...bytes]));
    });
  });

  it('unpacks to the same arrays of NumPy', () => {
    check(tensors, (tensor) => {
      expect(plain([{ name: '', ...parseNpy(writeNpy(tensor), 'array') }])).toEqual(
        plain([{ ...tensor, name: '' }]),
      );
    });
    check(someTensors, (arrays) => {
      const named = Object.fromEntries(arrays.map((array, at) => [`a${at}`, array]));
      const read = readNpz(writeNpz(named), { name: 'file', arrays: Object.keys(named) });
      const again = Object.entries(read).map(([name, tensor]) => ({ ...tensor!, name }));
      expect(plain(again)).toEqual(plain(arrays.map((array, at) => ({ ...array, name: `a${at}` }))));
    });
  });
});
