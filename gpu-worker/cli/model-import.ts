// `nccr-guard model import`: a model as others export it in, the one file that every other command reads out.
import { realpath, stat } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { GuardError } from '../../shared/errors.ts';
import { sha256Digest } from '../../shared/noise/noise-key.ts';
import { createOrtEngine } from '../engine/ort-engine.ts';
import { importModel } from '../onnx/import-model.ts';
import { gradientModel } from '../onnx/input-gradient.ts';
import { loadModel, modelBytesMax } from '../onnx/model-file.ts';
import { opsetVersion } from '../onnx/opset-version.ts';
import { prepareModel } from '../onnx/prepare-model.ts';
import { readInput } from './read-file.ts';
import { writeWhole } from './write-file.ts';

interface ImportCommandOptions {
  readonly out: string;
  readonly input?: string;
  readonly inputShape?: number[];
  readonly value: Record<string, number>;
  readonly output?: string;
  readonly json?: boolean;
}

/** Makes the command. */
export function modelImportCommand(): Command {
  return new Command('import')
    .description(
      'make a model that others exported the one file, input and output that every other command reads',
    )
    .argument('<model.onnx>', 'the model; constants in files beside it are brought in')
    .requiredOption('--out <file>', 'where the model goes')
    .option('--input <name>', 'the input that is guarded, where there are several')
    .option('--input-shape <extents>', 'its shape without the batch, such as 3,224,224', extentsOf)
    .option(
      '--value <input=number>',
      'value of all elements of another input; may be repeated',
      collectValue,
      {},
    )
    .option('--output <tensor>', 'the logits, where the model has several outputs')
    .option('--json', 'print the result as JSON')
    .action(run);
}

async function run(path: string, { out, value, json, ...options }: ImportCommandOptions): Promise<void> {
  const source = await readBounded(path);
  const bytes = await importModel(source, {
    ...options,
    values: value,
    readBeside: (at) => readBeside(path, at),
  });
  const engine = await createOrtEngine({ workers: 1 });
  try {
    const prepared = await prepareModel(loadModel(bytes), { engine, reserved: [] });
    const { input, logits, classes, originalName } = prepared;
    const gradients = await gradientModel(bytes, { engine, head: 'seed' }).then(
      () => undefined,
      (thrown: unknown) => {
        if (thrown instanceof GuardError) return thrown.message;
        throw thrown;
      },
    );
    await writeWhole(out, bytes);
    const summary = {
      out,
      bytes: bytes.length,
      digest: await sha256Digest(bytes),
      operator_set: opsetVersion(loadModel(bytes)),
      input: { name: input.name, shape: input.shape },
      output: { name: originalName(logits), classes },
      ...(gradients !== undefined && { without_gradients: gradients }),
    };
    if (json) return console.log(JSON.stringify(summary));
    console.log(
      `input ${input.name} [${input.shape.join(', ')}], output ${summary.output.name}, ${classes} classes`,
    );
    if (gradients !== undefined) console.log(`cannot be attacked by its gradient: ${gradients}`);
    console.log(`wrote ${out}, ${bytes.length} bytes, ${summary.digest}`);
  } finally {
    await engine.close();
  }
}

/** Reads a file that the format can hold; its length is looked at first. */
async function readBounded(path: string): Promise<Uint8Array> {
  const found = await stat(path).catch(() => undefined);
  if (found !== undefined && found.size > modelBytesMax) {
    throw new GuardError(
      'invalid_model',
      `${path} has ${found.size} bytes; at most ${modelBytesMax} are read`,
    );
  }
  return readInput(path);
}

/** Reads a file beside the model: links that lead out of its folder are not followed. */
async function readBeside(model: string, location: string): Promise<Uint8Array> {
  const folder = await realpath(dirname(model));
  const path = join(folder, location);
  const real = await realpath(path).catch(() => path);
  if (!real.startsWith(folder.endsWith(sep) ? folder : folder + sep)) {
    throw new GuardError('invalid_model', `${location} leads out of the model's folder`);
  }
  return readBounded(real);
}

function extentsOf(text: string): number[] {
  const extents = text.split(',').map(Number);
  if (extents.every((extent) => Number.isSafeInteger(extent) && extent > 0)) return extents;
  throw new InvalidArgumentError('give extents such as 3,224,224.');
}

function collectValue(text: string, values: Record<string, number>): Record<string, number> {
  const at = text.lastIndexOf('=');
  const number = Number(text.slice(at + 1));
  if (at < 1 || text.length === at + 1 || !Number.isFinite(number)) {
    throw new InvalidArgumentError('give an input and a number, such as rate=16000.');
  }
  return { ...values, [text.slice(0, at)]: number };
}
