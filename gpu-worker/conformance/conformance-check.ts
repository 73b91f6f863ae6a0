// One check of a server's conformance: what it is given, and how it says that the server fell short.
import type { ModelMetadata, Parameters } from '../../shared/contracts/inference.ts';
import type { NamedTensor } from '../../shared/maths/tensor.ts';
import { type ReadResponse, readResponse } from '../../shared/oip/read-message.ts';
import type { OipAnswer, OipTarget } from './oip-target.ts';

/** What the checks are tried with. */
export interface CheckContext {
  readonly target: OipTarget;
  /** Of the model, where its server told it. */
  readonly metadata: ModelMetadata | undefined;
  /** Extensions that the server names. */
  readonly extensions: readonly string[];
  /** Inputs that the model takes; undefined where none were given and none could be made. */
  readonly inputs: readonly NamedTensor[] | undefined;
  readonly parameters: Parameters;
}

/** One check. */
export interface ConformanceCheck {
  readonly name: string;
  /** What a server is to do, as a sentence. */
  readonly demands: string;
  /**
   * Tries it.
   * @returns why it was left out, where it was
   * @throws ConformanceFault where the server does otherwise
   */
  run(context: CheckContext): Promise<string | undefined>;
}

/** A server that does not do what the protocol says. */
export class ConformanceFault extends Error {
  override readonly name = 'ConformanceFault';
}

/** @throws ConformanceFault where it does not hold */
export function demand(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new ConformanceFault(otherwise);
}

/** Demands a status, and shows what was said instead. */
export function demandStatus(answer: OipAnswer, expected: number): void {
  const { status } = answer;
  demand(status === expected, `status ${status} instead of ${expected}: ${excerpt(answer.text())}`);
}

/** Demands an error of the caller with the member that the protocol's clients read. */
export function demandRefusal(answer: OipAnswer): void {
  const { status } = answer;
  demand(status >= 400 && status < 500, `status ${status} instead of 4xx: ${excerpt(answer.text())}`);
  const body = answer.json() as { error?: unknown } | null;
  const isSaid = typeof body?.error === 'string' && body.error !== '';
  demand(isSaid, `status ${status} without a string "error": ${excerpt(answer.text())}`);
}

/** Reads the answer to an inference, and demands that it is one of this model. */
export function demandInference(answer: OipAnswer, { target, metadata }: CheckContext): ReadResponse {
  demandStatus(answer, 200);
  let response: ReadResponse;
  try {
    response = readResponse({ bytes: answer.bytes, headerLength: answer.headerLength });
  } catch (cause) {
    throw new ConformanceFault(`the answer cannot be read: ${String(cause)}`, { cause });
  }
  demand(response.model_name === target.model, `model_name is ${response.model_name}`);
  demand(response.outputs.length > 0, 'the answer has no output');
  for (const { name, datatype, shape } of response.outputs) {
    const said = metadata?.outputs.find((output) => output.name === name);
    if (metadata === undefined) continue;
    demand(said !== undefined, `output ${name} is not in the metadata`);
    demand(datatype === said.datatype, `output ${name} is ${datatype}, the metadata say ${said.datatype}`);
    const fits =
      shape.length === said.shape.length &&
      said.shape.every((extent, axis) => extent === -1 || extent === shape[axis]);
    demand(fits, `output ${name} is [${shape.join(', ')}], the metadata say [${said.shape.join(', ')}]`);
  }
  return response;
}

/** Demands that two answers hold the same outputs, number by number. */
export function demandSameOutputs(found: ReadResponse, expected: ReadResponse): void {
  const names = (response: ReadResponse) => response.outputs.map(({ name }) => name).join(', ');
  demand(names(found) === names(expected), `outputs ${names(found)} instead of ${names(expected)}`);
  for (const [index, { name, data, shape }] of found.outputs.entries()) {
    const other = expected.outputs[index];
    demand(shape.join() === other.shape.join(), `output ${name} has another shape`);
    const same = data.length === other.data.length && data.every((value, at) => value === other.data[at]);
    demand(same, `output ${name} has other values`);
  }
}

/** The beginning of what a server said. */
export function excerpt(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
