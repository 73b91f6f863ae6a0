// Predictions of TensorFlow Serving, and the member that is added to another server's answer.
import { addMember } from '../../../shared/oip/add-member.ts';
import { parseJson } from '../../../shared/oip/parse-json.ts';
import { cutPredictRequest, readPredictRequest } from '../../../shared/tensorflow-serving/predict-request.ts';
import { type FuzzTarget, mustHold, sameBytes } from '../target.ts';
import { flatElements, isNumber, parseStrictly } from './strict-oip.ts';

const encoder = new TextEncoder();
/** No byte of JSON: these cases have nothing behind it. */
const jsonEnd = 0xff;
const profile = { inputName: 'x', inputShape: [2, 1] };

const predictions = [
  { instances: [[[0.5], [1]]] },
  { signature_name: 'serving_default', instances: [{ x: [[1], [2]] }, { x: [[3], [4]] }, [[5], [6]]] },
  {
    inputs: [
      [[1], [2]],
      [[-3], [1e-3]],
    ],
  },
  { inputs: { x: [[[1], [2]]] } },
];

/** Requests for a prediction. */
export const predict: FuzzTarget = {
  name: 'predict',
  seeds: () => predictions.map((body) => encoder.encode(JSON.stringify(body))),
  dictionary: [
    '"instances":',
    '"inputs":',
    '"signature_name":',
    '"serving_default"',
    '{"b64":"AA=="}',
    '"x":',
    '[[1],[2]],',
  ],
  bytesMax: 1024,
  jsonEnd,
  sliceCases: 3_000,
  read(bytes) {
    const { input } = readPredictRequest(bytes, profile);
    mustHold(input.shape.slice(1).join() === profile.inputShape.join(), 'a prediction of another shape');
    const strict = parseStrictly(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes));
    const named = (value: typeof strict | undefined) => (value instanceof Map ? value.get('x') : value);
    const members = strict as ReadonlyMap<string, typeof strict>;
    const column = named(members.get('inputs') ?? members.get('instances'));
    const rows = (column as readonly (typeof strict)[]).map(named);
    const values = rows
      .flatMap(flatElements)
      .map((value) => (isNumber(value) ? Number(value.text) : Number.NaN));
    mustHold(sameBytes(Float32Array.from(values), input.data), 'the strict reader finds other elements');
    if (input.shape[0] < 2) return;
    const rest = readPredictRequest(cutPredictRequest(bytes, [0]), profile).input;
    mustHold(sameBytes(rest.data, input.data.subarray(2)), 'a request without its first row has other rows');
  },
};

/** Answers that are marked. The first byte says where the member is put. */
export const answerMark: FuzzTarget = {
  name: 'answer-mark',
  seeds: () =>
    [
      {},
      { model_name: 'm', parameters: { a: 1 }, outputs: [] },
      { outputs: [{ parameters: {} }], parameters: {} },
    ]
      .map((answer) => JSON.stringify(answer))
      .flatMap((text) => [`\0${text}`, `\u0001${text}`])
      .map((text) => encoder.encode(text)),
  dictionary: [
    '"parameters":',
    '"parameters":{',
    '"par\\u0061meters":{},',
    '"mark":1',
    ' ',
    '\n',
    '{',
    '}',
    '"\\""',
  ],
  bytesMax: 1024,
  jsonEnd,
  sliceCases: 3_000,
  read(bytes) {
    const json = bytes.subarray(1);
    const inside = (bytes[0] ?? 0) % 2 === 0 ? {} : { inside: 'parameters' };
    const marked = addMember(json, { ...inside, name: 'mark', value: '1,2' });
    if (marked === undefined) return;
    const before = parseJson(json) as Record<string, unknown>;
    const after = parseJson(marked) as Record<string, unknown>;
    const own = 'inside' in inside ? (after.parameters as Record<string, unknown>) : after;
    mustHold(own.mark === '1,2', 'an answer was marked elsewhere');
    delete own.mark;
    if ('inside' in inside && !Object.hasOwn(before, 'parameters')) delete after.parameters;
    mustHold(sortedText(after) === sortedText(before), 'an answer says something else beside its mark');
    // The bytes of the answer stand around those that were put in.
    let same = 0;
    while (same < json.length && json[same] === marked[same]) same++;
    const tail = json.length - same;
    mustHold(
      sameBytes(marked.subarray(marked.length - tail), json.subarray(same)),
      'an answer was written anew',
    );
  },
};

/** Text that does not depend on the order of members. */
function sortedText(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1)))
      : inner,
  );
}
