// Checks of the binary extension, for servers that name it.
import { headerLengthHeader } from '../../shared/contracts/inference.ts';
import type { RequestHead } from '../../shared/oip/write-message.ts';
import { writeRequest } from '../../shared/oip/write-message.ts';
import {
  type ConformanceCheck,
  demand,
  demandInference,
  demandRefusal,
  demandSameOutputs,
} from './conformance-check.ts';
import { type InferenceContext, inferenceCheck, inferJson, plainInference } from './inference-checks.ts';

/** Its name among a server's extensions. */
const extension = 'binary_tensor_data';
/** Nothing but an answer in which all tensors follow the JSON. */
const allBinary = { binary_data_output: true } as const;

/** Makes a check that needs the extension. */
function binaryCheck(
  name: string,
  demands: string,
  run: (context: InferenceContext) => Promise<void>,
): ConformanceCheck {
  return inferenceCheck(name, demands, async (context) => {
    if (!context.extensions.includes(extension)) return `the server does not name ${extension}`;
    await run(context);
    return undefined;
  });
}

function binaryMessage({ inputs, parameters }: InferenceContext, head: RequestHead = {}) {
  return writeRequest({ ...head, parameters: { ...parameters, ...head.parameters } }, inputs, {
    binary: true,
  });
}

/** Inferences with tensors as raw bytes, and bodies whose lengths lie. */
export const binaryChecks: readonly ConformanceCheck[] = [
  binaryCheck(
    'binary-input',
    'tensors that follow the JSON give the same answer as those in it',
    async (context) => {
      const answer = await context.target.infer(binaryMessage(context));
      demand(answer.headerLength === null, 'the answer is binary, which nobody asked for');
      demandSameOutputs(demandInference(answer, context), await plainInference(context));
    },
  ),
  binaryCheck(
    'binary-untyped',
    'the header alone says that tensors follow, as Triton’s clients send it',
    async (context) => {
      const { body, headers } = binaryMessage(context);
      const split = { [headerLengthHeader]: headers[headerLengthHeader] };
      demandInference(await context.target.infer({ body, headers: split }), context);
    },
  ),
  binaryCheck(
    'binary-output',
    'binary_data_output puts the outputs behind the JSON, the same numbers',
    async (context) => {
      const answer = await inferJson(context, { parameters: allBinary });
      demand(answer.headerLength !== null, `the answer has no ${headerLengthHeader}`);
      demandSameOutputs(demandInference(answer, context), await plainInference(context));
    },
  ),
  binaryCheck('binary-both', 'both together do, and echo the id', async (context) => {
    const answer = await context.target.infer(binaryMessage(context, { id: 'b', parameters: allBinary }));
    const response = demandInference(answer, context);
    demand(response.id === 'b', `id is ${JSON.stringify(response.id)}`);
    demandSameOutputs(response, await plainInference(context));
  }),
  binaryCheck('binary-chosen', 'binary_data of one output puts that one behind the JSON', async (context) => {
    const [{ name }] = (await plainInference(context)).outputs;
    const answer = await inferJson(context, { outputs: [{ name, parameters: { binary_data: true } }] });
    demand(answer.headerLength !== null, `the answer has no ${headerLengthHeader}`);
    demandInference(answer, context);
  }),
  ...(
    [
      [
        'binary-header-beyond',
        'a header length beyond the body',
        (length: number) => String(length + 1_000_000),
      ],
      ['binary-header-short', 'a header length that cuts the JSON', (length: number) => String(length - 2)],
      ['binary-header-text', 'a header length that is no number', () => 'many'],
    ] as const
  ).map(([name, what, lie]) =>
    binaryCheck(name, `${what} is refused with 4xx and {"error"}`, async (context) => {
      const { body, headers } = binaryMessage(context);
      const length = lie(Number(headers[headerLengthHeader]));
      demandRefusal(
        await context.target.infer({ body, headers: { ...headers, [headerLengthHeader]: length } }),
      );
    }),
  ),
  binaryCheck(
    'binary-cut',
    'a body that ends before its tensors do is refused with 4xx and {"error"}',
    async (context) => {
      const { body, headers } = binaryMessage(context);
      demandRefusal(await context.target.infer({ body: body.subarray(0, body.length - 1), headers }));
    },
  ),
  binaryCheck(
    'binary-trailing',
    'bytes behind the last tensor are refused with 4xx and {"error"}',
    async (context) => {
      const { body, headers } = binaryMessage(context);
      demandRefusal(await context.target.infer({ body: Buffer.concat([body, Buffer.alloc(4)]), headers }));
    },
  ),
];
