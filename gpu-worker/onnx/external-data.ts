// Constants that a model keeps in files beside it: brought into the model, so that one file and one digest hold all.
import { GuardError } from '../../shared/errors.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { type Model, modelBytesMax } from './model-file.ts';
import { elementTypes, externalLocation, type GraphProto, type TensorProto } from './schema/messages.ts';

/** Bytes of an element, of the types that models keep outside. */
const elementBytes: Readonly<Record<number, number>> = {
  [elementTypes.float]: 4,
  [elementTypes.uint8]: 1,
  [elementTypes.int8]: 1,
  [elementTypes.int32]: 4,
  [elementTypes.int64]: 8,
  [elementTypes.bool]: 1,
  [elementTypes.half]: 2,
  [elementTypes.double]: 8,
  [elementTypes.brainHalf]: 2,
};

/**
 * Reads the elements of all such constants into the model, which is changed.
 * @param read gives a file by its location, relative to the model's own folder; asked once a location
 * @returns how many files were read
 * @throws GuardError `invalid_model` where a location leaves the model's folder, bytes are missing, or the whole is too large
 */
export async function embedExternalData(
  model: Model,
  read: (location: string) => Promise<Uint8Array>,
): Promise<number> {
  const files = new Map<string, Uint8Array>();
  let total = 0;
  for (const tensor of tensorsOf(model.graph)) {
    if (tensor.dataLocation !== externalLocation) continue;
    const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value]));
    const location = insideFolder(tensor.name, entries.get('location') ?? '');
    const file = files.get(location) ?? (await read(location));
    files.set(location, file);
    tensor.rawData = partOf(tensor, file, entries);
    tensor.externalData = [];
    tensor.dataLocation = 0;
    total += tensor.rawData.length;
    if (total > modelBytesMax) {
      throw new GuardError('invalid_model', `the model's constants have more than ${modelBytesMax} bytes`);
    }
  }
  return files.size;
}

/** Refuses a location that could be anywhere but in the model's own folder or below it. */
function insideFolder(tensor: string, location: string): string {
  const parts = location.split(/[/\\]/);
  const leaves = parts.some((part) => part === '' || part === '.' || part === '..' || /[:\0]/.test(part));
  if (!leaves) return location;
  throw new GuardError(
    'invalid_model',
    `tensor ${tensor} lies at ${JSON.stringify(location)}, which is no file beside the model or below it`,
  );
}

function partOf(
  { name, dims, dataType }: TensorProto,
  file: Uint8Array,
  entries: ReadonlyMap<string, string>,
): Uint8Array {
  const bytes = elementBytes[dataType];
  if (bytes === undefined) {
    throw new GuardError(
      'invalid_model',
      `tensor ${name} lies in another file and has elements of type ${dataType}`,
    );
  }
  const needed = elementCount(dims.map(Number)) * bytes;
  const offset = Number(entries.get('offset') ?? 0);
  const length = Number(entries.get('length') ?? file.length - offset);
  if (length !== needed || !Number.isSafeInteger(offset) || offset < 0 || offset + length > file.length) {
    throw new GuardError(
      'invalid_model',
      `tensor ${name} needs ${needed} bytes; its file has ${file.length}, of which ${length} from ${offset} on are named`,
    );
  }
  return file.slice(offset, offset + length);
}

/** Constants of a graph, those in attributes of its nodes and in bodies too. */
function tensorsOf(graph: GraphProto): TensorProto[] {
  const inNodes = graph.node.flatMap(({ attribute }) =>
    attribute.flatMap(({ t, g, graphs }) => [
      ...(t === undefined ? [] : [t]),
      ...(g === undefined ? graphs : [g, ...graphs]).flatMap(tensorsOf),
    ]),
  );
  return [...graph.initializer, ...inNodes];
}
