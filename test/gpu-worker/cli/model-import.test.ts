import { mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel, saveModel } from '../../../gpu-worker/onnx/model-file.ts';
import { StringStringEntryProtoSchema } from '../../../gpu-worker/onnx/schema/messages.ts';
import { nccrGuard } from '../../helpers/command-line.ts';
import { smallModel, weights } from '../onnx/small-model.ts';

let folder: string;
const file = (name: string) => join(folder, 'model', name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'import-'));
  await mkdir(join(folder, 'model'));
  const model = loadModel(
    smallModel((graph, input) => graph.op('Conv', [input, weights(graph, [3, 1, 1, 1])]), {
      shape: ['batch', 1, 'height', 'width'],
    }),
  );
  const [tensor] = model.graph.initializer;
  await writeFile(file('model.onnx.data'), tensor.rawData);
  await writeFile(join(folder, 'outside.bin'), tensor.rawData);
  await symlink(join(folder, 'outside.bin'), file('link.bin'));
  tensor.rawData = new Uint8Array();
  tensor.dataLocation = 1;
  for (const [name, location] of Object.entries({
    'model.onnx': 'model.onnx.data',
    'linked.onnx': 'link.bin',
  })) {
    tensor.externalData = [create(StringStringEntryProtoSchema, { key: 'location', value: location })];
    await writeFile(file(name), saveModel(model));
  }
  await writeFile(file('huge.onnx'), '');
  // No byte of it is written: the file only says that it is that long.
  await truncate(file('huge.onnx'), 2 ** 31);
});
afterAll(() => rm(folder, { recursive: true }));

const importing = (name: string, ...args: string[]) =>
  nccrGuard('model', 'import', file(name), '--out', file('out.onnx'), '--input-shape', '1,12,12', ...args);

describe('model import', () => {
  it('makes one file of a model and its data, which the other commands take', async () => {
    const { code, stdout } = await importing('model.onnx', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      operator_set: 17,
      input: { name: 'input', shape: [1, 12, 12] },
      output: { name: 'scores', classes: 432 },
      digest: expect.stringMatching(/^sha256:/),
    });
    expect(JSON.parse(stdout).without_gradients).toBeUndefined();
    expect(loadModel(await readFile(file('out.onnx'))).graph.initializer[0].rawData.length).toBe(12);
    const args = ['--name', 'm', '--noise-key', file('key'), '--out', file('compiled.onnx')];
    expect((await nccrGuard('model', 'compile', file('model.onnx'), ...args)).stderr).toMatch(/model import/);
    expect(await nccrGuard('model', 'compile', file('out.onnx'), ...args)).toMatchObject({ code: 0 });
  });

  it.each([
    ['linked.onnx', /link\.bin leads out of the model's folder/],
    ['huge.onnx', /has 2147483648 bytes; at most 2147483647 are read/],
  ])('refuses %s', async (name, message) => {
    expect(await importing(name)).toMatchObject({ code: 1, stderr: expect.stringMatching(message) });
  });

  it.each([
    ['--input-shape', '2,0'],
    ['--value', 'rate'],
  ])('refuses %s %s as wrong usage', async (...args) => {
    expect((await importing('model.onnx', ...args)).code).toBe(2);
  });
});
