import { describe, expect, it } from 'vitest';
import { headerLengthHeader } from '../../../shared/contracts/inference.ts';
import { packByteElements, unpackByteElements } from '../../../shared/oip/byte-elements.ts';
import { readRequest, readRequestWithBytes } from '../../../shared/oip/read-message.ts';
import { writeBinaryRequest } from '../../../shared/oip/write-message.ts';

const elements = [Uint8Array.of(1, 2, 3), new Uint8Array(0), Uint8Array.of(9)];
// Each length as a little-endian uint32, by hand.
const packed = Uint8Array.of(3, 0, 0, 0, 1, 2, 3, 0, 0, 0, 0, 1, 0, 0, 0, 9);

describe('elements of the datatype BYTES', () => {
  it('stand behind their lengths, and come back as they were', () => {
    expect(packByteElements(elements)).toEqual(packed);
    expect(unpackByteElements(packed, 3, '/inputs/0')).toEqual(elements);
    const shifted = Uint8Array.of(7, ...packed).subarray(1);
    expect(unpackByteElements(shifted, 3, '/inputs/0')).toEqual(elements);
    expect(unpackByteElements(packByteElements([]), 0, '/inputs/0')).toEqual([]);
  });

  it('are refused where there are fewer or more than the shape says, or one is cut short', () => {
    const refusal = (data: Uint8Array, count: number) => () => unpackByteElements(data, count, '/inputs/0');
    expect(refusal(packed, 2)).toThrow(/2 elements.*end at byte 11/);
    expect(refusal(packed, 4)).toThrow(/element 3 is cut short/);
    expect(refusal(packed.subarray(0, 6), 1)).toThrow(/element 0 is cut short/);
    expect(refusal(Uint8Array.of(255, 255, 255, 255, 1), 1)).toThrow(/element 0 is cut short/);
    expect(refusal(Uint8Array.of(1, 0), 1)).toThrow(/element 0 is cut short/);
  });

  it('travel beside other tensors to who reads them, and are no datatype to who does not', () => {
    const x = { name: 'x', datatype: 'BYTES', shape: [3], data: packed } as const;
    const signs = { name: 'signs', datatype: 'FP32', shape: [1], data: Float32Array.of(-1) } as const;
    const { body, headers } = writeBinaryRequest([x, signs]);
    const message = { bytes: body, headerLength: headers[headerLengthHeader] };
    expect(readRequestWithBytes(message, 100).inputs).toEqual([x, signs]);
    expect(() => readRequest(message)).toThrow(/datatype BYTES is not supported/);
    expect(() => readRequestWithBytes(message, 2)).toThrow(/3 elements; the limit is 2/);
  });

  it('are not read out of JSON, where they would be text', () => {
    const json = { inputs: [{ name: 'x', datatype: 'BYTES', shape: [1], data: ['a'] }] };
    const bytes = new TextEncoder().encode(JSON.stringify(json));
    expect(() => readRequestWithBytes({ bytes }, 100)).toThrow(/BYTES are read as binary data alone/);
  });
});
