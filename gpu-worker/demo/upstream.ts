// The demo's protected model: a plain Open Inference Protocol server over LeNet-5, which knows nothing of the guard.
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import packageJson from '../../package.json' with { type: 'json' };
import { runServer } from '../run-server.ts';
import { loadPlainModel } from '../served-model.ts';

const { values } = parseArgs({ options: { port: { type: 'string', default: '8791' } } });
const modelFile = new URL('./assets/mnist-lenet5.onnx', import.meta.url);

await runServer({
  name: 'demo upstream',
  version: packageJson.version,
  host: '127.0.0.1',
  port: Number(values.port),
  token: undefined,
  workers: 1,
  queueMax: 256,
  deadlineMs: 5_000,
  drainMs: 5_000,
  loadModels: async (engine) => [await loadPlainModel(engine, 'mnist-lenet5', await readFile(modelFile))],
});
