// Checks of requests that no server may answer as if they were sound.
import { elementsToJson } from '../../shared/oip/elements.ts';
import { type ConformanceCheck, demandRefusal } from './conformance-check.ts';
import {
  type InferenceContext,
  inferenceCheck,
  inferJson,
  jsonMessage,
  plainInference,
} from './inference-checks.ts';
import { nobody } from './server-checks.ts';

/** The first input of a request as JSON, with members put in another's place. */
function firstInput({ inputs }: InferenceContext, members: object): object {
  const [{ name, shape, datatype }] = inputs;
  return { name, shape, datatype, data: elementsToJson(inputs[0]), ...members };
}

/** Makes the check of a body that is to be refused. */
function refusalCheck(
  name: string,
  what: string,
  bodyOf: (context: InferenceContext) => unknown,
): ConformanceCheck {
  return inferenceCheck(name, `${what} is refused with 4xx and {"error"}`, async (context) => {
    demandRefusal(await context.target.infer(jsonMessage(bodyOf(context))));
    return undefined;
  });
}

/** A request of one input that is not as it should be. */
function inputCheck(
  name: string,
  what: string,
  members: (context: InferenceContext) => object,
): ConformanceCheck {
  return refusalCheck(name, what, (context) => {
    const others = context.inputs.slice(1).map((input) => ({ ...input, data: elementsToJson(input) }));
    return { inputs: [firstInput(context, members(context)), ...others] };
  });
}

/** Refusals, and that the server is as well as before after them. */
export const refusalChecks: readonly ConformanceCheck[] = [
  refusalCheck('refuse-malformed', 'malformed JSON', () => '{"inputs": ['),
  refusalCheck('refuse-empty', 'an empty body', () => ''),
  refusalCheck('refuse-no-inputs', 'a request without inputs', () => ({})),
  refusalCheck('refuse-empty-inputs', 'a request whose list of inputs is empty', () => ({ inputs: [] })),
  inputCheck('refuse-no-data', 'an input without data', () => ({ data: undefined })),
  inputCheck('refuse-input-name', 'an input that the model has not', () => ({ name: 'no-such-input' })),
  inputCheck('refuse-datatype', 'a datatype that is none', () => ({ datatype: 'FP99' })),
  inputCheck('refuse-rank', 'a shape of another rank', ({ inputs }) => ({ shape: [1, ...inputs[0].shape] })),
  inputCheck('refuse-negative', 'a negative extent', ({ inputs }) => ({
    shape: [-1, ...inputs[0].shape.slice(1)],
  })),
  inputCheck('refuse-too-few', 'fewer elements than the shape says', ({ inputs }) => ({
    data: elementsToJson(inputs[0]).slice(1),
  })),
  inputCheck('refuse-too-many', 'more elements than the shape says', ({ inputs }) => ({
    data: [...elementsToJson(inputs[0]), 0],
  })),
  inputCheck('refuse-text', 'text among numbers', ({ inputs }) => ({
    data: ['x', ...elementsToJson(inputs[0]).slice(1)],
  })),
  inferenceCheck(
    'refuse-model',
    'a model that is not there is refused with 4xx and {"error"}',
    async (context) => {
      demandRefusal(await inferJson(context, {}, { model: nobody }));
      return undefined;
    },
  ),
  inferenceCheck(
    'refuse-version',
    'a version that is not there is refused with 4xx and {"error"}',
    async (context) => {
      demandRefusal(await inferJson(context, {}, { version: '999999' }));
      return undefined;
    },
  ),
  inferenceCheck('well-after-refusals', 'after all refusals a sound request is answered', async (context) => {
    await plainInference(context);
    return undefined;
  }),
];
