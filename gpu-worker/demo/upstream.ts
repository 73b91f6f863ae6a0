// The demo's protected model: a plain Open Inference Protocol server over an ONNX file, which knows nothing of the guard.
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import packageJson from '../../package.json' with { type: 'json' };
import { runServer } from '../run-server.ts';
import { loadPlainModel } from '../served-model.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8791' },
    model: { type: 'string' },
    /** Names under which it is served: under the second the guard leaves it alone, what an attacker has who got hold of a copy. */
    name: { type: 'string', multiple: true },
  },
});
const { model: modelFile, name: names } = values;
if (modelFile === undefined || names === undefined) throw new Error('upstream takes --model and --name');

await runServer({
  name: 'demo upstream',
  version: packageJson.version,
  host: '127.0.0.1',
  port: Number(values.port),
  token: undefined,
  engine: 'cpu',
  workers: 1,
  queueMax: 256,
  queueBytesMax: 64 * 1024 * 1024,
  memoryBytesMax: undefined,
  joinedRowsMax: 1,
  joinDelayMs: 0,
  deadlineMs: 5_000,
  drainMs: 5_000,
  async loadModels(engine) {
    const model = await readFile(modelFile);
    return Promise.all(names.map((name) => loadPlainModel(engine, name, model)));
  },
});
