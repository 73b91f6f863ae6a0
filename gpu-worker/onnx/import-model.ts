// A model as others export it brought into the form that all else reads: one file, one input of a known shape, one output.
import { create } from '@bufbuild/protobuf';
import { GuardError } from '../../shared/errors.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { floatTensor, intTensor } from './constants.ts';
import { embedExternalData } from './external-data.ts';
import { buildOn } from './graph.ts';
import { tidyGraph } from './graph-order.ts';
import { type Model, parseModel, saveModel } from './model-file.ts';
import { nearNames } from './near-names.ts';
import {
  elementTypes,
  type TensorProto,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from './schema/messages.ts';
import { declaredShape, type Extent, valueInfo } from './value-info.ts';

/** What of a model is meant, where that is not clear. */
export interface ImportOptions {
  /** The input that is guarded, where there are several. */
  readonly input?: string | undefined;
  /** Shape of that input without the batch, where the file leaves extents free. */
  readonly inputShape?: readonly number[] | undefined;
  /** Other inputs: each element has this value. */
  readonly values?: Readonly<Record<string, number>>;
  /** The logits, where there are several outputs. */
  readonly output?: string | undefined;
  /** Gives a file by its location beside the model. */
  readonly readBeside: (location: string) => Promise<Uint8Array>;
}

/** Elements of an input that one number may stand for. */
const valueElementsMax = 1 << 20;

/**
 * Brings a model into one file with one input and, where `output` names it, one output.
 * @returns the file; the same bytes where there was nothing to do
 * @throws GuardError `invalid_model` that names the input, output or tensor that is not there or does not fit
 */
export async function importModel(
  bytes: Uint8Array,
  { input, inputShape, values = {}, output, readBeside }: ImportOptions,
): Promise<Uint8Array> {
  const model = parseModel(bytes);
  const files = await embedExternalData(model, readBeside);
  if (output !== undefined) chooseOutput(model, output);
  const names = fedInputs(model).map(({ name }) => name);
  for (const name of [...(input === undefined ? [] : [input]), ...Object.keys(values)]) {
    if (names.includes(name)) continue;
    throw new GuardError(
      'invalid_model',
      `the model has no input ${name}; its inputs are ${names.join(', ')}`,
    );
  }
  for (const info of fedInputs(model)) {
    if (Object.hasOwn(values, info.name)) setValue(model, info, values[info.name]);
  }
  const left = fedInputs(model);
  const own = left.find(({ name }) => name === (input ?? left[0]?.name));
  const others = left.filter((info) => info !== own);
  if (own === undefined || others.length > 0) {
    const named = left.map(({ name }) => name).join(', ');
    const detail = `one input is guarded, the model has ${left.length} (${named}): give each of the others a value`;
    throw new GuardError('invalid_model', detail);
  }
  if (inputShape !== undefined) fixShape(model, own, inputShape);
  const isSame =
    files === 0 && output === undefined && inputShape === undefined && Object.keys(values).length === 0;
  return isSame ? bytes : saveModel(model);
}

function fedInputs(model: Model): readonly ValueInfoProto[] {
  return buildOn(model, 'import').inputs;
}

/** Makes a tensor the only output, and drops what it does not need, inputs too. */
function chooseOutput(model: Model, output: string): void {
  const { graph } = model;
  const outputs = graph.node.flatMap((node) => node.output);
  if (!outputs.includes(output)) {
    const near = nearNames(output, outputs).join(', ');
    throw new GuardError('invalid_model', `the model has no tensor ${output}; near it are ${near}`);
  }
  const declared = graph.output.find(({ name }) => name === output);
  graph.output = [declared ?? create(ValueInfoProtoSchema, { name: output })];
  tidyGraph(model);
  const read = new Set(graph.node.flatMap((node) => node.input));
  graph.input = graph.input.filter(({ name }) => read.has(name));
}

/** Turns an input into a constant. */
function setValue(model: Model, info: ValueInfoProto, value: number): void {
  const { graph } = model;
  const shape = declaredShape(info);
  const type = info.type?.value.value?.elemType;
  if (elementCount(shape ?? []) > valueElementsMax) {
    const detail = `input ${info.name} has more than ${valueElementsMax} elements: no switch, but data of its own`;
    throw new GuardError('invalid_model', detail);
  }
  if (shape === undefined || shape.some((extent) => extent < 1)) {
    const detail = `input ${info.name} has a free shape, so that no constant can stand for it`;
    throw new GuardError('invalid_model', detail);
  }
  graph.input = graph.input.filter((candidate) => candidate !== info);
  graph.initializer.push(constantOf(info.name, { type, shape, value }));
}

function constantOf(
  name: string,
  { type, shape, value }: { type: number | undefined; shape: readonly number[]; value: number },
): TensorProto {
  const values = Array.from({ length: elementCount(shape) }, () => value);
  if (type === elementTypes.float) return floatTensor(name, shape, values);
  if (type !== undefined && !Number.isInteger(value)) {
    throw new GuardError('invalid_model', `input ${name} takes whole numbers, not ${value}`);
  }
  if (type === elementTypes.int64) return intTensor(name, shape, values);
  if (type === elementTypes.int32 || type === elementTypes.bool) {
    const int32Data = type === elementTypes.bool ? values.map((each) => (each === 0 ? 0 : 1)) : values;
    return create(TensorProtoSchema, { name, dims: shape.map(BigInt), dataType: type, int32Data });
  }
  throw new GuardError('invalid_model', `input ${name} has elements of a type that takes no value here`);
}

function fixShape(model: Model, info: ValueInfoProto, shape: readonly number[]): void {
  const declared = declaredShape(info);
  const fits =
    declared === undefined ||
    (declared.length === shape.length + 1 &&
      shape.every((extent, axis) => declared[axis + 1] < 1 || declared[axis + 1] === extent));
  if (!fits) {
    const said = declared.map((extent) => (extent < 1 ? 'free' : extent)).join(', ');
    throw new GuardError(
      'invalid_model',
      `input ${info.name} has shape [${said}]; [batch, ${shape.join(', ')}] does not fit it`,
    );
  }
  const type = info.type?.value.value?.elemType;
  const element = type === elementTypes.half ? 'half' : 'float';
  if (type !== undefined && type !== elementTypes.float && type !== elementTypes.half) return;
  const batch: Extent = declared === undefined || declared[0] < 1 ? 'batch' : declared[0];
  const { graph } = model;
  graph.input = graph.input.map((each) =>
    each === info ? valueInfo(info.name, [batch, ...shape], element) : each,
  );
  graph.valueInfo = [];
}
