// The body of a prediction in TensorFlow Serving's REST API: read into one tensor, and written anew without some of its rows.
import { z } from 'zod';
import { GuardError } from '../errors.ts';
import { nameCharactersMax, tensorElementsMax } from '../limits.ts';
import { elementCount, type NamedTensor } from '../maths/tensor.ts';
import { elementsFromJson } from '../oip/elements.ts';
import { jsonText } from '../oip/json-text.ts';
import { parseJson } from '../oip/parse-json.ts';

/** The signature that a saved model is served by where a request names none. */
export const defaultSignature = 'serving_default';

/** What a saved model reads. */
export interface PredictProfile {
  readonly inputName: string;
  /** Of one row. */
  readonly inputShape: readonly number[];
}

/** A member that is not read here could be one that the server reads, so there is none. */
const predictRequestSchema = z.strictObject({
  signature_name: z.string().min(1).max(nameCharactersMax).optional(),
  instances: z.array(z.unknown()).optional(),
  inputs: z.unknown().optional(),
});

type PredictRequest = z.infer<typeof predictRequestSchema>;

/** The input of a prediction, and the JSON pointer to the member that held it. */
export interface PredictInput {
  readonly input: NamedTensor;
  readonly where: string;
}

/**
 * Reads a prediction of a model with one input, which is given row by row (`instances`) or as one column (`inputs`), under its
 * name or without.
 * @returns its input as float32 [rows, ...input shape]
 * @throws GuardError `malformed_request` where it is no such message, `invalid_input` where it does not fit the model
 * @see https://www.tensorflow.org/tfx/serving/api_rest
 */
export function readPredictRequest(
  body: Uint8Array,
  { inputName, inputShape }: PredictProfile,
): PredictInput {
  const request = parsePredict(body);
  // Another signature is another function of the model, of which the detector knows nothing.
  if (request.signature_name !== undefined && request.signature_name !== defaultSignature) {
    throw invalid('/signature_name', `the guard knows the signature ${defaultSignature} alone`);
  }
  const { where, rows } = rowsOf(request, inputName);
  const shape = [rows.length, ...inputShape];
  if (rows.length === 0) throw invalid(where, 'there is no row');
  const count = elementCount(shape);
  if (count > tensorElementsMax) {
    throw invalid(where, `${rows.length} rows have ${count} elements; the limit is ${tensorElementsMax}`);
  }
  refuseBase64(rows[0], where);
  // A row must be nested as the model's input is: a flat list of numbers would be a batch of scalars to the server.
  if (!Array.isArray(rows[0])) {
    throw invalid(where, `a row is no array of shape [${inputShape.join(', ')}], or an object that names it`);
  }
  const data = elementsFromJson(rows, { datatype: 'FP32', shape }, where);
  return { input: { name: inputName, datatype: 'FP32', shape, data }, where };
}

/**
 * The request without some of its rows.
 * @param cut numbers of rows, from 0; the request was read by `readPredictRequest` and has others
 */
export function cutPredictRequest(body: Uint8Array, cut: readonly number[]): Uint8Array<ArrayBuffer> {
  const { instances, inputs, ...rest } = parsePredict(body);
  const kept = (rows: readonly unknown[]) => rows.filter((_, row) => !cut.includes(row));
  const columns = () =>
    Array.isArray(inputs)
      ? kept(inputs)
      : Object.fromEntries(
          Object.entries(inputs as Record<string, unknown[]>).map(([name, rows]) => [name, kept(rows)]),
        );
  const request =
    instances === undefined ? { ...rest, inputs: columns() } : { ...rest, instances: kept(instances) };
  return new TextEncoder().encode(jsonText(request));
}

function parsePredict(body: Uint8Array): PredictRequest {
  const parsed = predictRequestSchema.safeParse(parseJson(body));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const pointer = `/${issue.path.map(String).join('/')}`;
    const detail = issue.message.slice(0, 200);
    const places = [{ pointer, detail }];
    throw new GuardError('malformed_request', `${pointer}: ${detail}`, { places });
  }
  const { instances, inputs } = parsed.data;
  if ((instances === undefined) === (inputs === undefined)) {
    throw new GuardError('malformed_request', 'a prediction has either instances or inputs');
  }
  return parsed.data;
}

/** The rows of the model's one input, whichever form they came in. */
function rowsOf({ instances, inputs }: PredictRequest, name: string): { where: string; rows: unknown[] } {
  if (instances === undefined) {
    const where = '/inputs';
    const rows = named(inputs, name, where);
    refuseBase64(rows, where);
    if (!Array.isArray(rows)) throw invalid(where, 'the column of an input is an array of rows');
    return { where, rows };
  }
  const where = '/instances';
  return { where, rows: instances.map((row, index) => named(row, name, `${where}/${index}`)) };
}

/** A value, or what an object of one member names. */
function named(value: unknown, name: string, where: string): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  refuseBase64(value, where);
  const [only, ...others] = Object.entries(value);
  if (only === undefined || others.length > 0 || only[0] !== name) {
    throw invalid(where, `the model has one input, which is named ${name}`);
  }
  return only[1];
}

/** Base64 stands for bytes, such as an image file that the model's graph decodes itself. */
function refuseBase64(value: unknown, where: string): void {
  let first = value;
  while (Array.isArray(first)) first = first[0];
  if (typeof first === 'object' && first !== null && Object.hasOwn(first, 'b64')) {
    throw invalid(where, 'base64 values ({"b64": …}) are bytes that the guard does not decode; send numbers');
  }
}

function invalid(pointer: string, detail: string): GuardError {
  return new GuardError('invalid_input', `${pointer}: ${detail}`, { places: [{ pointer, detail }] });
}
