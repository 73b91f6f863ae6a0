// ONNX files: bytes to a model that can be rewritten, and back.
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { GuardError } from '../../shared/errors.ts';
import { externalLocation, type GraphProto, type ModelProto, ModelProtoSchema } from './schema/messages.ts';

/** A model that has a graph. */
export type Model = ModelProto & { graph: GraphProto };

/**
 * Reads an ONNX file.
 * @param bytes the file; kept, since the constants of the model are views of it
 * @throws GuardError `invalid_model` where the bytes are no ONNX file, end early or have no graph that computes anything
 */
export function loadModel(bytes: Uint8Array): Model {
  if (bytes.length === 0) throw new GuardError('invalid_model', 'the model file is empty');
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
  for (const tensor of model.graph.initializer) {
    if (tensor.dataLocation === externalLocation) {
      throw new GuardError(
        'invalid_model',
        `tensor ${tensor.name} lies in another file: save the model as a single one`,
      );
    }
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
