// `nccr-guard model compile`: a protected model in, what a gpu-worker serves out.
import { basename, join, parse } from 'node:path';
import { Command, Option } from 'commander';
import { designReads, type VectorDesign, vectorDesigns } from '../../shared/contracts/detector-artefact.ts';
import { changeColumns, projectedNeurons } from '../../shared/contracts/extraction.ts';
import { type ScreeningMode, screeningModes } from '../../shared/contracts/screening.ts';
import { stagePlan } from '../../shared/detector/sequential-test.ts';
import { GuardError } from '../../shared/errors.ts';
import { graphBytesMax } from '../../shared/limits.ts';
import { type NoiseKey, sha256Digest } from '../../shared/noise/noise-key.ts';
import type { Engine } from '../engine/engine.ts';
import { createOrtEngine } from '../engine/ort-engine.ts';
import { type Compilation, compileModel } from '../extraction/compile-model.ts';
import { withLevelTaps } from '../extraction/level-taps.ts';
import { planScreening } from '../extraction/plan-screening.ts';
import { withUnitTaps } from '../extraction/unit-taps.ts';
import { buildOn } from '../onnx/graph.ts';
import { modelInput } from '../onnx/model-ends.ts';
import { loadModel } from '../onnx/model-file.ts';
import { compileModelFolder, type PlannedFile } from './compile-model-folder.ts';
import { openNoiseKeyFile } from './noise-key-file.ts';
import { oneOf, readArtefact } from './options.ts';
import { addPlanOptions, type PlanOptions, planOfOptions } from './plan-options.ts';
import { readInput } from './read-file.ts';
import { isModelFolder } from './read-model-folder.ts';
import { writeWhole } from './write-file.ts';

interface CompileOptions extends PlanOptions {
  readonly name: string;
  readonly out: string;
  readonly noiseKey: string;
  readonly detector?: string;
  readonly vector: VectorDesign;
  readonly screening?: ScreeningMode | true;
  readonly layer?: string;
  readonly output?: string;
  readonly channelsFirst?: boolean;
  readonly sameAs?: string;
  readonly json?: boolean;
}

/** Options that say how a guard perturbs its inputs: screening has a plan of its own. */
const guardOptions = [
  'detector',
  'vector',
  'noise',
  'epsilon',
  'copies',
  'transforms',
  'bankRows',
  'tap',
  'neuronTensor',
];

/** Makes the command. */
export function modelCompileCommand(): Command {
  const command = new Command('compile')
    .description(
      'append perturbed copies, taps and reductions to a model; the result is what a gpu-worker serves',
    )
    .argument('<model>', 'the protected model: an ONNX file, or the folder of a TensorFlow.js model')
    .requiredOption('--name <name>', 'name under which the model is served')
    .requiredOption('--out <file>', 'where the compiled graph goes')
    .requiredOption(
      '--noise-key <file>',
      'secret of the noise bank, 64 hexadecimal digits; made where there is none',
    )
    .option(
      '--detector <artefact.json>',
      'take the plan of this detector instead of the options below; of a sequential one a graph a stage is written',
    )
    .option(
      '--vector <design>',
      'vector design whose copies the plan makes',
      oneOf(vectorDesigns),
      'margin-changes',
    )
    .addOption(
      new Option(
        '--screening [mode]',
        `for screening training data in place of guarding: ${screeningModes.join(' or ')}, by default nccr`,
      )
        .argParser(oneOf(screeningModes))
        .conflicts(guardOptions),
    )
    .option('--layer <tensor>', 'of --screening: what is read in place of the penultimate layer')
    .option('--output <tensor>', 'the logits, where the model has several outputs')
    .option(
      '--channels-first',
      'of a TensorFlow.js model: requests hold images [channels, height, width], not as the model reads them',
    )
    .option(
      '--same-as <model.onnx>',
      'of a TensorFlow.js model: the ONNX model of the same weights, whose detectors and requests are to fit',
    )
    .option('--json', 'print the result as JSON');
  return addPlanOptions(command).action(run);
}

async function run(path: string, options: CompileOptions): Promise<void> {
  if (options.layer !== undefined && options.screening === undefined) {
    throw new GuardError('invalid_config', '--layer is read with --screening alone; a guard has --tap');
  }
  const isFolder = await isModelFolder(path);
  const noise = await openNoiseKeyFile(options.noiseKey);
  const compilations = isFolder
    ? await compileModelFolder(path, options, {
        noiseKey: noise.key,
        planned: await plansOfDetector(options),
      })
    : await compileFile(path, options, noise.key);
  await noise.keep();
  const summaries = [];
  for (const { out, bytes, compiled } of compilations) {
    await writeWhole(out, bytes);
    summaries.push({ out, bytes: bytes.length, digest: await sha256Digest(bytes), compiled });
  }
  if (options.json) {
    console.log(JSON.stringify(summaries.length === 1 ? summaries[0] : summaries));
    return;
  }
  if (noise.isNew)
    console.log(`made a new noise key in ${options.noiseKey}: keep it secret, the edge needs the same`);
  const { model, plan, screening } = compilations[0].compiled;
  console.log(`compiled ${model.name}: input [${model.input_shape.join(', ')}], ${model.classes} classes`);
  if (screening !== undefined) {
    const read = changeColumns(plan);
    const wide = projectedNeurons(plan);
    const projected = wide === undefined ? '' : `, projected onto ${read.length} directions`;
    console.log(
      `for screening (${screening}): reads the ${wide ?? read.length} neurons of ${read[0].tensor}${projected}`,
    );
  }
  for (const { out, bytes, digest } of summaries) console.log(`wrote ${out}, ${bytes} bytes, ${digest}`);
  if (screening === undefined && !isFolder) console.log(withoutGpuWorker(summaries));
}

/** What to do where no gpu-worker is to serve the graphs. */
function withoutGpuWorker(
  graphs: readonly { readonly out: string; readonly bytes: number; readonly digest: string }[],
): string {
  if (graphs.some(({ bytes }) => bytes > graphBytesMax)) {
    return `too large to run without a gpu-worker, which takes at most ${graphBytesMax} bytes a graph`;
  }
  const members = graphs.map(({ out, digest }) => ({ key: `graphs/${basename(out)}`, digest }));
  const graph = JSON.stringify(members.length === 1 ? members[0] : members);
  return `to run without a gpu-worker: put into R2 under the key and add to the model in GUARD_MODELS "graph": ${graph}`;
}

/** Compiles an ONNX file with each of its plans. */
async function compileFile(
  path: string,
  options: CompileOptions,
  noiseKey: NoiseKey,
): Promise<(Compilation & { readonly out: string })[]> {
  if (options.channelsFirst === true || options.sameAs !== undefined) {
    throw new GuardError('invalid_config', '--channels-first and --same-as are read of TensorFlow.js models');
  }
  const model = await readInput(path);
  const engine = await createOrtEngine({ workers: 1 });
  try {
    const { name, output } = options;
    const screening = options.screening === true ? 'nccr' : options.screening;
    const graphs = await plannedGraphs(options, { model, engine, screening });
    return await Promise.all(
      graphs.map(async ({ plan, out }) => {
        const made = { name, plan, noiseKey, engine };
        const named = { ...(output !== undefined && { output }), ...(screening && { screening }) };
        return { out, ...(await compileModel(model, { ...made, ...named })) };
      }),
    );
  } finally {
    await engine.close();
  }
}

/** The graph of the plan; of a detector with a sequential test one a stage, numbered before the file's ending. */
async function plannedGraphs(
  options: CompileOptions,
  {
    model,
    engine,
    screening: mode,
  }: { model: Uint8Array; engine: Engine; screening: ScreeningMode | undefined },
): Promise<PlannedFile[]> {
  const { out, range = [0, 1], layer, output } = options;
  if (mode !== undefined) {
    return [{ plan: await planScreening(model, { engine, mode, range, layer, output }), out }];
  }
  const planned = await plansOfDetector(options);
  if (planned === undefined) {
    const wished = planOfOptions(options, { design: options.vector, channels: modelChannels(model) });
    const { neurons, levels } = designReads[options.vector];
    if (levels) return [{ plan: await withLevelTaps(model, wished, { engine }), out }];
    const tapped = { engine, tensors: options.neuronTensor };
    return [{ plan: neurons ? await withUnitTaps(model, wished, tapped) : wished, out }];
  }
  return planned;
}

/** The plans of the detector that the options name, or undefined where they name none. */
async function plansOfDetector({ detector, out }: CompileOptions): Promise<PlannedFile[] | undefined> {
  if (detector === undefined) return undefined;
  const { plan, sequential } = await readArtefact(detector);
  if (sequential === undefined) return [{ plan, out }];
  const { dir, name, ext } = parse(out);
  return sequential.stages.map(({ runs }, stage) => ({
    plan: stagePlan(plan, runs),
    out: join(dir, `${name}.stage-${stage}${ext}`),
  }));
}

/** First extent of a model's input: the channels of an image. */
function modelChannels(model: Uint8Array): number {
  return modelInput(buildOn(loadModel(model), 'guard')).shape[0];
}
