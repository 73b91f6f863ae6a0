// Triton's config.pbtxt of a compiled graph: its tensors, dynamic batching and instances.
import {
  type CompiledModel,
  changeColumns,
  compiledTensors,
  planNoiseCopies,
  planRuns,
} from '../../shared/contracts/extraction.ts';

/** Where instances of a model run: on every GPU, on the CPU, or on GPUs where there are some. */
export const instanceKinds = ['gpu', 'cpu', 'auto'] as const;
export type InstanceKind = (typeof instanceKinds)[number];

/** How Triton is to serve the graph. */
export interface ServingOptions {
  readonly kind: InstanceKind;
  /** Instances on each GPU, or on the CPU. */
  readonly instances: number;
  /** Most rows that are run together. */
  readonly batchRowsMax: number;
  /** How long a request waits for others to be run with. */
  readonly queueDelayUs: number;
  /** Requests that may wait; one more is refused with 503. */
  readonly queueMax: number;
  /** Longest wait in the queue; a request can ask for less. */
  readonly deadlineMs: number;
}

type Field = readonly [
  name: string,
  value: string | number | boolean | Name | readonly Field[] | readonly number[],
];
/** The name of an enumeration's value, which stands without quotes. */
interface Name {
  readonly name: string;
}

/** The only version, and the folder that it lies in. */
export const tritonVersion = 1;

/**
 * Writes the configuration in the text format of protocol buffers.
 * @param identityOutput see `withIdentityOutput`
 * @see https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto
 */
export function tritonModelConfig(
  { model, plan }: CompiledModel,
  identityOutput: string,
  options: ServingOptions,
): string {
  const tensor = (name: string, type: string, dims: readonly number[]): Field[] => [
    ['name', name],
    ['data_type', { name: type }],
    ['dims', dims],
  ];
  const noiseCopies = planNoiseCopies(plan);
  const columns = changeColumns(plan).length;
  const noise: Field[] = [
    ['input', tensor(compiledTensors.noiseRows, 'TYPE_INT64', [noiseCopies])],
    ['input', tensor(compiledTensors.noiseSigns, 'TYPE_FP32', [noiseCopies])],
  ];
  const changes: Field[] = [['output', tensor(compiledTensors.changes, 'TYPE_FP32', [columns])]];
  return textFormat([
    ['name', model.name],
    ['backend', 'onnxruntime'],
    ['max_batch_size', options.batchRowsMax],
    ['version_policy', [['specific', [['versions', [tritonVersion]]]]]],
    ['input', tensor(compiledTensors.input, 'TYPE_FP32', model.input_shape)],
    ...(noiseCopies > 0 ? noise : []),
    ['output', tensor(compiledTensors.logits, 'TYPE_FP32', [planRuns(plan).length, model.classes])],
    ...(columns > 0 ? changes : []),
    ['output', tensor(identityOutput, 'TYPE_FP32', [1])],
    [
      'instance_group',
      [
        ['count', options.instances],
        ['kind', { name: `KIND_${options.kind.toUpperCase()}` }],
      ],
    ],
    [
      'dynamic_batching',
      [
        ['max_queue_delay_microseconds', options.queueDelayUs],
        [
          'default_queue_policy',
          [
            ['timeout_action', { name: 'REJECT' }],
            ['default_timeout_microseconds', options.deadlineMs * 1_000],
            // The guard says with each request how long it is of use.
            ['allow_timeout_override', true],
            ['max_queue_size', options.queueMax],
          ],
        ],
      ],
    ],
  ]);
}

function textFormat(fields: readonly Field[], indent = ''): string {
  return fields
    .map(([name, value]) => {
      if (isMessage(value)) return `${indent}${name} {\n${textFormat(value, `${indent}  `)}${indent}}\n`;
      return `${indent}${name}: ${scalar(value)}\n`;
    })
    .join('');
}

function isMessage(value: Field[1]): value is readonly Field[] {
  return Array.isArray(value) && Array.isArray(value[0]);
}

function scalar(value: Exclude<Field[1], readonly Field[]>): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'object' && 'name' in value) return value.name;
  return Array.isArray(value) ? `[${value.join(', ')}]` : String(value);
}
