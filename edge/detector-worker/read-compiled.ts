// What a compiled graph says of itself, read out of its ONNX file without reading the graph.
import { BinaryReader } from '@bufbuild/protobuf/wire';
import {
  type CompiledModel,
  compiledModelKey,
  compiledModelSchema,
} from '../../shared/contracts/extraction.ts';
import { GuardError } from '../../shared/errors.ts';
import { parseJson } from '../../shared/oip/parse-json.ts';

/** Fields of the format: `ModelProto.metadata_props`, and key and value of a `StringStringEntryProto`. */
const metadataField = 14;
const keyField = 1;
const valueField = 2;

/**
 * Reads the description that `nccr-guard model compile` writes.
 * @param bytes an ONNX file
 * @throws GuardError `detector_unavailable` where the file is no compiled graph of a guard
 * @see onnx.proto3, messages ModelProto and StringStringEntryProto
 */
export function readCompiled(bytes: Uint8Array): CompiledModel {
  let found: Uint8Array | undefined;
  try {
    found = findDescription(bytes);
  } catch (cause) {
    throw refusal('it is no ONNX file, or one that ends early', cause);
  }
  if (found === undefined) throw refusal('it is not compiled: run `nccr-guard model compile` first');
  const compiled = parseDescription(found);
  if (compiled.screening !== undefined) throw refusal('it is made for screening training data');
  return compiled;
}

function parseDescription(json: Uint8Array): CompiledModel {
  try {
    return compiledModelSchema.parse(parseJson(json));
  } catch (cause) {
    throw refusal('its description is wrong', cause);
  }
}

function findDescription(bytes: Uint8Array): Uint8Array | undefined {
  const model = new BinaryReader(bytes);
  while (model.pos < model.len) {
    const [field, wireType] = model.tag();
    if (field !== metadataField) {
      model.skip(wireType, field);
      continue;
    }
    const entry = new BinaryReader(model.bytes());
    let key = '';
    let value = new Uint8Array(0);
    while (entry.pos < entry.len) {
      const [entryField, entryType] = entry.tag();
      if (entryField === keyField) key = entry.string();
      else if (entryField === valueField) value = Uint8Array.from(entry.bytes());
      else entry.skip(entryType, entryField);
    }
    if (key === compiledModelKey) return value;
  }
  return undefined;
}

function refusal(detail: string, cause?: unknown): GuardError {
  return new GuardError('detector_unavailable', `the compiled graph cannot be run: ${detail}`, { cause });
}
