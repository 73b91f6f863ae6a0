// `nccr-guard model compile`: a protected ONNX model in, its compiled NCCR graph out.
import { Command } from 'commander';
import { designReads, type VectorDesign, vectorDesigns } from '../../shared/contracts/detector-artefact.ts';
import { sha256Digest } from '../../shared/noise/noise-key.ts';
import { createOrtEngine } from '../engine/ort-engine.ts';
import { compileModel } from '../extraction/compile-model.ts';
import { withUnitTaps } from '../extraction/unit-taps.ts';
import { buildOn } from '../onnx/graph.ts';
import { modelInput } from '../onnx/model-ends.ts';
import { loadModel } from '../onnx/model-file.ts';
import { openNoiseKeyFile } from './noise-key-file.ts';
import {
  addPlanOptions,
  oneOf,
  type PlanOptions,
  planOfOptions,
  readArtefact,
  readInput,
} from './options.ts';
import { writeWhole } from './write-file.ts';

interface CompileOptions extends PlanOptions {
  readonly name: string;
  readonly out: string;
  readonly noiseKey: string;
  readonly detector?: string;
  readonly vector: VectorDesign;
  readonly output?: string;
  readonly json?: boolean;
}

/** Makes the command. */
export function modelCompileCommand(): Command {
  const command = new Command('compile')
    .description(
      'append perturbed copies, taps and reductions to a model; the result is what a gpu-worker serves',
    )
    .argument('<model.onnx>', 'the protected model')
    .requiredOption('--name <name>', 'name under which the model is served')
    .requiredOption('--out <file>', 'where the compiled graph goes')
    .requiredOption(
      '--noise-key <file>',
      'secret of the noise bank, 64 hexadecimal digits; made where there is none',
    )
    .option('--detector <artefact.json>', 'take the plan of this detector instead of the options below')
    .option(
      '--vector <design>',
      'vector design whose copies the plan makes',
      oneOf(vectorDesigns),
      'margin-changes',
    )
    .option('--output <tensor>', 'the logits, where the model has several outputs')
    .option('--json', 'print the result as JSON');
  return addPlanOptions(command).action(run);
}

async function run(path: string, options: CompileOptions): Promise<void> {
  const model = await readInput(path);
  const wished =
    options.detector === undefined
      ? planOfOptions(options, { design: options.vector, channels: modelChannels(model) })
      : (await readArtefact(options.detector)).plan;
  const noise = await openNoiseKeyFile(options.noiseKey);
  const engine = await createOrtEngine({ workers: 1 });
  try {
    const { name, output } = options;
    const readsNeurons = options.detector === undefined && designReads[options.vector].neurons === true;
    const plan = readsNeurons
      ? await withUnitTaps(model, wished, { engine, tensors: options.neuronTensor })
      : wished;
    const { bytes, compiled } = await compileModel(model, {
      name,
      plan,
      noiseKey: noise.key,
      engine,
      ...(output === undefined ? {} : { output }),
    });
    await noise.keep();
    await writeWhole(options.out, bytes);
    const summary = { out: options.out, bytes: bytes.length, digest: await sha256Digest(bytes), compiled };
    if (options.json) console.log(JSON.stringify(summary));
    else {
      if (noise.isNew)
        console.log(`made a new noise key in ${options.noiseKey}: keep it secret, the edge needs the same`);
      const { input_shape, classes } = compiled.model;
      console.log(`compiled ${name}: input [${input_shape.join(', ')}], ${classes} classes`);
      console.log(`wrote ${options.out}, ${bytes.length} bytes, ${summary.digest}`);
    }
  } finally {
    await engine.close();
  }
}

/** First extent of a model's input: the channels of an image. */
function modelChannels(model: Uint8Array): number {
  return modelInput(buildOn(loadModel(model), 'guard')).shape[0];
}
