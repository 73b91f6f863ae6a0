// Bodies of the Open Inference Protocol: requests as JSON and with the binary extension, and answers.
import { GuardError } from '../../../shared/errors.ts';
import type { NamedTensor } from '../../../shared/maths/tensor.ts';
import { elementsToBytes } from '../../../shared/oip/elements.ts';
import {
  type OipBody,
  type ReadRequest,
  readRequest,
  readRequestWithBytes,
  readResponse,
} from '../../../shared/oip/read-message.ts';
import {
  type OipMessage,
  writeBinaryRequest,
  writeRequest,
  writeResponse,
} from '../../../shared/oip/write-message.ts';
import { type FuzzTarget, mustHold, sameBytes } from '../target.ts';
import { readStrictly } from './strict-oip.ts';

const encoder = new TextEncoder();
/** Stands between the JSON part and the tensors of a case whose header is right. */
const separator = 0x1e;
/** Elements of a case's tensors: a shape may claim the most that a body can hold, which would only cost time. */
const elementsMax = 65_536;

const datatypes = 'BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP32 FP64 FP16 BYTES'.split(' ');
const members =
  'id parameters inputs outputs name shape datatype data binary_data_size binary_data_output binary_data model_name model_version'.split(
    ' ',
  );
const dictionary = [
  ...datatypes.map((name) => `"${name}"`),
  ...members.map((name) => `"${name}":`),

  '"__proto__":1,',
  '"constructor":{}',
  '"Inputs":[]',
  '"ınputs":[]',
  '"input\u017f":[]',
  '\\u0061',
  '\\ud800',
  '\\"',

  '[[',
  ']]',
  '{}',
  '[]',
  ',',
  ':',
  'null',
  'true',
  'false',
  'NaN',
  '1e308',
  '-0.0',
  '"parameters":{},',
  '\ufeff',
  Uint8Array.of(separator),
  Uint8Array.of(0xc0, 0x80),
  Uint8Array.of(0xed, 0xa0, 0x80),
];

const jsonSeeds = [
  { inputs: [{ name: 'x', shape: [2, 2], datatype: 'FP32', data: [0.5, 1, -2, 3e-5] }] },
  {
    id: 'a',
    inputs: [
      {
        name: 'x',
        shape: [1, 2, 2],
        datatype: 'UINT8',
        data: [
          [
            [0, 255],
            [7, 1],
          ],
        ],
      },
    ],
  },
  {
    inputs: [{ name: 'x', shape: [3], datatype: 'BOOL', data: [true, false, true] }],
    outputs: [{ name: 'y' }],
  },
  {
    parameters: { a: 1, b: 'two', c: false },
    inputs: [{ name: 'x', shape: [0], datatype: 'INT64', data: [] }],
  },
  {
    inputs: [
      {
        name: 'x',
        shape: [2],
        datatype: 'INT64',
        data: [9007199254740991, -1],
        parameters: { content_type: 'np' },
      },
      { name: 'y', shape: [1, 1], datatype: 'FP64', data: [[1e300]] },
    ],
  },
];

const tensors: readonly NamedTensor[] = [
  { name: 'x', datatype: 'FP32', shape: [2, 2], data: Float32Array.of(0.5, 1, Number.NaN, -0) },
  { name: 'y', datatype: 'UINT8', shape: [3], data: Uint8Array.of(0, 123, 255) },
  { name: 'z', datatype: 'INT64', shape: [1], data: BigInt64Array.of(-5n) },
];

/** Requests as plain JSON. */
export const oipJson: FuzzTarget = {
  name: 'oip-json',
  seeds: () => jsonSeeds.map((body) => encoder.encode(JSON.stringify(body))),
  dictionary,
  bytesMax: 1024,
  jsonEnd: separator,
  sliceCases: 5_000,
  read: (bytes) => checkRequest({ bytes }),
};

/** Requests with the binary extension. A case is `HEADER\n` and a body, or a zero byte and a body whose header is right. */
export const oipBinary: FuzzTarget = {
  name: 'oip-binary',
  seeds: () => [
    ...tensors.map((tensor) => caseOf(writeBinaryRequest([tensor]))),
    caseOf(writeBinaryRequest(tensors, { a: 1 })),
    caseOf(
      writeBinaryRequest([{ name: 'b', datatype: 'BYTES', shape: [1], data: Uint8Array.of(1, 0, 0, 0, 9) }]),
    ),
    ...jsonSeeds.map((body) => encoder.encode(`\0${JSON.stringify(body)}\u001e`)),
    encoder.encode(`2\n{}`),
  ],
  dictionary,
  bytesMax: 1024,
  jsonEnd: separator,
  sliceCases: 5_000,
  read: (bytes) => checkRequest(bodyOf(bytes)),
};

/** Answers, as the guard reads them of the gpu-worker. */
export const oipResponse: FuzzTarget = {
  name: 'oip-response',
  seeds: () => [
    ...tensors.map((tensor) => caseOf(writeResponse({ model_name: 'm', id: 'i' }, [tensor], () => true))),
    ...tensors.slice(1).map((tensor) => caseOf(writeResponse({ model_name: 'm' }, [tensor], () => false))),
    caseOf(writeResponse({ model_name: 'm', parameters: { p: 'q' } }, tensors, (name) => name !== 'y')),
  ],
  dictionary,
  bytesMax: 1024,
  jsonEnd: separator,
  sliceCases: 4_000,
  read(bytes) {
    const body = bodyOf(bytes);
    const { outputs, ...head } = readResponse(body, elementsMax);
    checkTensors(outputs, body, 'outputs');
    const { model_name, parameters } = head;
    const binary = writeResponse(
      {
        model_name,
        parameters,
        ...(head.id !== undefined && { id: head.id }),
        ...(head.model_version !== undefined && { model_version: head.model_version }),
      },
      outputs,
      () => true,
    );
    const again = readResponse(bodyOfMessage(binary), elementsMax);
    mustHold(sameTensors(again.outputs, outputs), 'an answer is written otherwise than it was read');
    mustHold(
      again.model_name === head.model_name &&
        again.id === head.id &&
        again.model_version === head.model_version,
      'the head of an answer is written otherwise than it was read',
    );
  },
};

function checkRequest(body: OipBody): void {
  let request: ReadRequest;
  try {
    request = readRequest(body, elementsMax);
  } catch (thrown) {
    // The reader of the gpu-worker takes all that the guard's does, and BYTES.
    if (thrown instanceof GuardError && thrown.code === 'invalid_input')
      readRequestWithBytes(body, elementsMax);
    throw thrown;
  }
  const { inputs, inputParameters, parameters } = request;
  mustHold(inputs.length === inputParameters.length, 'an input lacks its parameters');
  checkTensors(inputs, body, 'inputs');
  mustHold(
    sameTensors(readRequestWithBytes(body, elementsMax).inputs as typeof inputs, inputs),
    'two readers differ',
  );
  const written = writeBinaryRequest(inputs, parameters);
  const again = readRequest(bodyOfMessage(written), elementsMax);
  mustHold(sameTensors(again.inputs, inputs), 'a request is written otherwise than it was read');
  const finite = inputs.every(({ data }) =>
    Array.from(data as ArrayLike<number | bigint>, Number).every(inJson),
  );
  if (!finite) return;
  const json = readRequest(bodyOfMessage(writeRequest(request, inputs, { binary: false })), elementsMax);
  mustHold(sameTensors(json.inputs, inputs), 'a request is written as JSON otherwise than it was read');
}

/** Whether JSON can hold a number, as every parser reads it. */
function inJson(value: number): boolean {
  return Number.isFinite(value) && (Math.abs(value) <= Number.MAX_SAFE_INTEGER || !Number.isInteger(value));
}

function checkTensors(read: readonly NamedTensor[], body: OipBody, list: string): void {
  const jsonBytes = typeof body.headerLength === 'string' ? Number(body.headerLength) : undefined;
  const strict = readStrictly({ bytes: body.bytes, jsonBytes }, list);
  mustHold(strict.length === read.length, 'the strict reader finds other tensors');
  for (const [index, tensor] of read.entries()) {
    const { name, shape, datatype, bytes } = strict[index];
    mustHold(
      name === tensor.name && datatype === tensor.datatype,
      'the strict reader finds another name or datatype',
    );
    mustHold(shape.join() === tensor.shape.join(), 'the strict reader finds another shape');
    mustHold(sameBytes(elementsToBytes(tensor), bytes), 'the strict reader finds other elements');
  }
}

function sameTensors(one: readonly NamedTensor[], other: readonly NamedTensor[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ name, datatype, shape, data }, index) => {
      const same = other[index];
      const isAlike = name === same.name && datatype === same.datatype && shape.join() === same.shape.join();
      return isAlike && sameBytes(data, same.data);
    })
  );
}

function bodyOf(bytes: Uint8Array): OipBody {
  if (bytes[0] === 0) {
    const end = bytes.indexOf(separator);
    if (end < 0) return { bytes: bytes.subarray(1) };
    const json = bytes.subarray(1, end);
    return { bytes: Buffer.concat([json, bytes.subarray(end + 1)]), headerLength: String(json.length) };
  }
  const line = bytes.indexOf(0x0a);
  if (line < 0) return { bytes };
  return {
    headerLength: new TextDecoder('latin1').decode(bytes.subarray(0, line)),
    bytes: bytes.subarray(line + 1),
  };
}

function bodyOfMessage({ body, headers }: OipMessage): OipBody {
  return { bytes: body, headerLength: headers['inference-header-content-length'] };
}

function caseOf({ body, headers }: OipMessage): Uint8Array {
  const length = Number(headers['inference-header-content-length'] ?? body.length);
  return Uint8Array.of(0, ...body.subarray(0, length), separator, ...body.subarray(length));
}
