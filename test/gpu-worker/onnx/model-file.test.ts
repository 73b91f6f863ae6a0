import { readdirSync, readFileSync } from 'node:fs';
import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { loadModel, saveModel } from '../../../gpu-worker/onnx/model-file.ts';
import {
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  TensorProtoSchema,
  ValueInfoProtoSchema,
} from '../../../gpu-worker/onnx/schema/messages.ts';
import { sharedFolder } from '../../helpers/shared-folder.ts';

const models = sharedFolder && `${sharedFolder}models/`;
const files = models
  ? readdirSync(models, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.onnx'))
  : [];

function smallModel() {
  return create(ModelProtoSchema, {
    irVersion: 8n,
    opsetImport: [create(OperatorSetIdProtoSchema, { domain: '', version: 16n })],
    graph: create(GraphProtoSchema, {
      node: [create(NodeProtoSchema, { opType: 'Relu', input: ['x'], output: ['y'] })],
      input: [create(ValueInfoProtoSchema, { name: 'x' })],
      output: [create(ValueInfoProtoSchema, { name: 'y' })],
    }),
  });
}

describe.skipIf(!models)('loadModel and saveModel (skipped where ../shared/models is missing)', () => {
  it.each(files)('write %s back byte for byte', (file) => {
    // Read as a Buffer on purpose: its slices would be views.
    const bytes = readFileSync(`${models}${file}`);
    expect(Buffer.compare(saveModel(loadModel(bytes)), bytes)).toBe(0);
  });

  it('find at least the nineteen files of the collection', () => {
    expect(files.length).toBeGreaterThanOrEqual(19);
  });

  it('refuse a file cut anywhere', () => {
    const bytes = readFileSync(`${models}mnist-lenet5.onnx`);
    for (const length of [1, 100, bytes.length >> 1, bytes.length - 1]) {
      expect(() => loadModel(bytes.subarray(0, length))).toThrow(
        expect.objectContaining({ code: 'invalid_model' }),
      );
    }
  });
});

describe('loadModel', () => {
  it('keeps fields that the schema does not know', () => {
    // Field 25 of ModelProto (functions), wire type 2, one byte long: 25 << 3 | 2 = 202, as a varint 0xca 0x01.
    const bytes = Uint8Array.of(...saveModel(smallModel()), 0xca, 0x01, 0x01, 0x00);
    expect(saveModel(loadModel(bytes))).toEqual(bytes);
  });

  it('keeps a field that is set to its default', () => {
    const model = smallModel();
    model.modelVersion = 0n;
    const bytes = saveModel(model);
    expect(saveModel(loadModel(bytes))).toEqual(bytes);
    expect(bytes.length).toBe(saveModel(smallModel()).length + 2);
  });

  it.each([
    ['an empty file', new Uint8Array()],
    ['text', new TextEncoder().encode('{"this is": "not a model"}\n'.repeat(20))],
    ['zeros', new Uint8Array(64)],
    ['a protobuf without a graph', saveModel(create(ModelProtoSchema, { irVersion: 8n }))],
    [
      'a graph without nodes',
      saveModel(
        create(ModelProtoSchema, { ...smallModel(), graph: create(GraphProtoSchema, { name: 'g' }) }),
      ),
    ],
    [
      'a model without an operator set',
      saveModel(create(ModelProtoSchema, { ...smallModel(), opsetImport: [] })),
    ],
  ])('refuses %s as invalid_model', (_name, bytes) => {
    expect(() => loadModel(bytes)).toThrow(expect.objectContaining({ code: 'invalid_model' }));
  });

  it('names a tensor that lies in another file', () => {
    const model = smallModel();
    model.graph!.initializer.push(create(TensorProtoSchema, { name: 'conv1.weight', dataLocation: 1 }));
    expect(() => loadModel(saveModel(model))).toThrow(/conv1\.weight/);
  });
});
