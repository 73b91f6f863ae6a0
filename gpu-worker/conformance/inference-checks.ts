// Checks of inferences that a server is to answer, in JSON.
import type { NamedTensor } from '../../shared/maths/tensor.ts';
import { elementArrays, elementCount } from '../../shared/maths/tensor.ts';
import { elementsToJson } from '../../shared/oip/elements.ts';
import type { ReadResponse } from '../../shared/oip/read-message.ts';
import { type RequestHead, writeRequest } from '../../shared/oip/write-message.ts';
import {
  type CheckContext,
  type ConformanceCheck,
  demand,
  demandInference,
  demandSameOutputs,
} from './conformance-check.ts';
import type { InferOptions, OipAnswer } from './oip-target.ts';
import { noVersion } from './server-checks.ts';

/** Why checks of inferences are left out. */
const noInputs = 'the model’s inputs are not known: give some';
const requestId = 'conformance-7';

/** A context whose inputs are known. */
export type InferenceContext = CheckContext & { readonly inputs: readonly NamedTensor[] };

/** Makes a check that needs inputs. */
export function inferenceCheck(
  name: string,
  demands: string,
  run: (context: InferenceContext) => Promise<string | undefined>,
): ConformanceCheck {
  return {
    name,
    demands,
    run: async (context) =>
      context.inputs === undefined ? noInputs : run({ ...context, inputs: context.inputs }),
  };
}

/** Sends the inputs as JSON. */
export function inferJson(
  { target, inputs, parameters }: InferenceContext,
  head: RequestHead = {},
  options: InferOptions = {},
): Promise<OipAnswer> {
  const message = writeRequest({ ...head, parameters: { ...parameters, ...head.parameters } }, inputs, {
    binary: false,
  });
  return target.infer(message, options);
}

/** The answer that others are compared with. */
export async function plainInference(context: InferenceContext): Promise<ReadResponse> {
  return demandInference(await inferJson(context), context);
}

/** Inferences in JSON. */
export const inferenceChecks: readonly ConformanceCheck[] = [
  inferenceCheck(
    'infer',
    'an inference in JSON is answered in JSON with the outputs that the metadata say',
    async (context) => {
      const answer = await inferJson(context);
      demandInference(answer, context);
      demand(answer.headerLength === null, 'the answer is binary, which nobody asked for');
      demand(/^application\/json\b/.test(answer.contentType), `content-type ${answer.contentType}`);
      return undefined;
    },
  ),
  inferenceCheck('infer-version', 'an inference of a version is answered', async (context) => {
    const { version } = context.target;
    if (version === undefined) return noVersion;
    demandInference(await inferJson(context, {}, { version }), context);
    return undefined;
  }),
  inferenceCheck('infer-id', 'the id of a request is echoed', async (context) => {
    const { id } = demandInference(await inferJson(context, { id: requestId }), context);
    demand(id === requestId, `id is ${JSON.stringify(id)}`);
    return undefined;
  }),
  inferenceCheck('infer-nested', 'data may be nested as the shape is', async (context) => {
    const { inputs, target } = context;
    const nested = inputs.map((input) => {
      return { name: input.name, shape: input.shape, datatype: input.datatype, data: nest(input) };
    });
    const answer = await target.infer(jsonMessage({ inputs: nested }));
    demandSameOutputs(demandInference(answer, context), await plainInference(context));
    return undefined;
  }),
  inferenceCheck(
    'infer-outputs',
    'an output that is asked for is the only one of the answer',
    async (context) => {
      const [{ name }] = (await plainInference(context)).outputs;
      const { outputs } = demandInference(await inferJson(context, { outputs: [{ name }] }), context);
      demand(
        outputs.length === 1 && outputs[0].name === name,
        `outputs ${outputs.map((one) => one.name).join(', ')}`,
      );
      return undefined;
    },
  ),
  inferenceCheck(
    'infer-batch',
    'two rows get an answer of two rows, the first as if it came alone',
    async (context) => {
      const { inputs, metadata } = context;
      if (metadata === undefined) return 'the metadata are not known';
      const batched = (name: string) => metadata.inputs.find((input) => input.name === name)?.shape[0] === -1;
      if (!inputs.every(({ name, shape }) => batched(name) && shape[0] === 1))
        return 'the model’s batch is fixed';
      const two = await plainInference({ ...context, inputs: inputs.map(twice) });
      for (const { name, shape } of two.outputs)
        demand(shape[0] === 2, `output ${name} has ${shape[0]} rows`);
      return undefined;
    },
  ),
  inferenceCheck('infer-charset', 'the content-type may name the charset utf-8', async (context) => {
    const { body } = writeRequest({}, context.inputs, { binary: false });
    const headers = { 'content-type': 'application/json; charset=utf-8' };
    demandInference(await context.target.infer({ body, headers }), context);
    return undefined;
  }),
  inferenceCheck(
    'infer-untyped',
    'a request without a content-type is read, as Triton’s clients send it',
    async (context) => {
      const { body } = writeRequest({}, context.inputs, { binary: false });
      demandInference(await context.target.infer({ body, headers: {} }), context);
      return undefined;
    },
  ),
  inferenceCheck('infer-chunked', 'a body whose length is not said before is read', async (context) => {
    demandInference(await inferJson(context, {}, { chunked: true }), context);
    return undefined;
  }),
];

/** A message that need not be one of the protocol. */
export function jsonMessage(message: unknown): { body: Uint8Array; headers: Record<string, string> } {
  const body = new TextEncoder().encode(typeof message === 'string' ? message : JSON.stringify(message));
  return { body, headers: { 'content-type': 'application/json' } };
}

/** Elements in arrays as the shape is nested. */
function nest(tensor: NamedTensor): unknown {
  let level: unknown[] = elementsToJson(tensor);
  for (const extent of tensor.shape.slice(1).reverse()) {
    level = Array.from({ length: level.length / extent }, (_, index) =>
      level.slice(index * extent, (index + 1) * extent),
    );
  }
  return level;
}

function twice({ name, datatype, shape, data }: NamedTensor): NamedTensor {
  const both = new elementArrays[datatype](2 * elementCount(shape));
  both.set(data as never, 0);
  both.set(data as never, data.length);
  return { name, datatype, shape: [2, ...shape.slice(1)], data: both };
}
