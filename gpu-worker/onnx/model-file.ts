// ONNX files: bytes to a model that can be rewritten, and back.
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { GuardError } from '../../shared/errors.ts';
import { externalLocation, type GraphProto, type ModelProto, ModelProtoSchema } from './schema/messages.ts';

/** A model that has a graph. */
export type Model = ModelProto & { graph: GraphProto };

/** Longest file that the format can hold: protobuf counts in 31 bits. */
export const modelBytesMax = 2 ** 31 - 1;

/**
 * Reads an ONNX file that holds all its constants.
 * @param bytes the file; kept, since the constants of the model are views of it
 * @throws GuardError `invalid_model` where the bytes are no ONNX file, end early, have no graph that computes anything or
 *   leave constants in another file
 */
export function loadModel(bytes: Uint8Array): Model {
  const model = parseModel(bytes);
  for (const tensor of model.graph.initializer) {
    if (tensor.dataLocation === externalLocation) {
      throw new GuardError(
        'invalid_model',
        `tensor ${tensor.name} lies in another file: \`nccr-guard model import\` makes one file of both`,
      );
    }
  }
  return model;
}

/**
 * Reads an ONNX file, whose constants may lie in others.
 * @throws GuardError `invalid_model` as `loadModel` does
 */
export function parseModel(bytes: Uint8Array): Model {
  if (bytes.length === 0) throw new GuardError('invalid_model', 'the model file is empty');
  if (bytes.length > modelBytesMax) {
    throw new GuardError(
      'invalid_model',
      `the model file has ${bytes.length} bytes; at most ${modelBytesMax} are read`,
    );
  }
  const model = parse(bytes);
  if (!hasGraph(model)) throw new GuardError('invalid_model', 'not an ONNX file: it has no graph');
  if (model.irVersion < 1n) throw new GuardError('invalid_model', 'not an ONNX file: it has no IR version');
  if (model.opsetImport.length === 0) {
    throw new GuardError(
      'invalid_model',
      'the model imports no operator set: the file may have been cut short',
    );
  }
  if (model.graph.node.length === 0 || model.graph.output.length === 0) {
    throw new GuardError('invalid_model', "the model's graph has no nodes or no outputs");
  }
  return model;
}

/** Writes an ONNX file. A model that was not changed since `loadModel` gives the same bytes again. */
export function saveModel(model: ModelProto): Uint8Array<ArrayBuffer> {
  return toBinary(ModelProtoSchema, model);
}

function parse(bytes: Uint8Array): ModelProto {
  try {
    // A plain Uint8Array over the same memory: slices of a Buffer would be views that its pool reuses.
    return fromBinary(ModelProtoSchema, new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
  } catch (cause) {
    throw new GuardError('invalid_model', 'not an ONNX file, or one that ends early', { cause });
  }
}

function hasGraph(model: ModelProto): model is Model {
  return model.graph !== undefined;
}
