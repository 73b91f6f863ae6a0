// `nccr-guard detector calibrate`: a model and clean inputs in, a detector artefact out.
import { Command, Option } from 'commander';
import {
  type DetectorArtefact,
  designReads,
  noiseDesigns,
  type VectorDesign,
  vectorDesigns,
} from '../../shared/contracts/detector-artefact.ts';
import { type ExtractionPlan, planUnits } from '../../shared/contracts/extraction.ts';
import { waveformAttacks } from '../attacks/waveform-attacks.ts';
import { calibrateAutomatically } from '../calibrate/calibrate-automatically.ts';
import { calibrateDetector } from '../calibrate/calibrate-detector.ts';
import { classSamplesNeeded } from '../calibrate/class-thresholds.ts';
import { addSigningOptions, type SigningOptions, signerOfOptions } from './artefact-signer.ts';
import { openDetectorWork, tapActivations } from './detector-work.ts';
import { addEngineOption, type EngineOption } from './engine-option.ts';
import { addExamplesOption } from './kept-examples.ts';
import { keyedPlan, readNoiseKey } from './noise-key-file.ts';
import {
  addDatasetOptions,
  addForeignOption,
  datasetOfOptions,
  foreignOfOptions,
  oneOf,
  positiveInteger,
  positiveNumber,
  rate,
  risingNumbers,
} from './options.ts';
import { addPlanOptions, type PlanOptions, planOfOptions } from './plan-options.ts';
import { progressDisplay } from './progress.ts';
import { readInput } from './read-file.ts';
import { selectionText } from './selection-text.ts';
import { sequentialSummary, sequentialText } from './sequential-text.ts';
import { requireWritable, writeWhole } from './write-file.ts';

interface CalibrateOptions extends PlanOptions, SigningOptions, EngineOption {
  readonly name: string;
  readonly dataset: string;
  readonly split: string;
  readonly images: number;
  readonly targetFpr: number;
  readonly perClass?: boolean;
  readonly vector: VectorDesign;
  readonly auto?: boolean;
  readonly keyedTransforms?: string;
  readonly sequential?: boolean;
  readonly sequentialCopies?: number;
  readonly triggerCheck?: boolean;
  readonly acceptShifts?: boolean;
  readonly budgets?: readonly number[];
  readonly adversarial?: readonly string[];
  readonly seed: number;
  readonly detectorVersion: string;
  readonly out: string;
  readonly examples?: string;
  readonly json?: boolean;
}

/** Makes the command. */
export function detectorCalibrateCommand(): Command {
  const command = new Command('calibrate')
    .description('train a detector on clean inputs and their adversarial copies, and set its threshold')
    .argument('<model.onnx>', 'the protected model, not compiled')
    .requiredOption('--name <name>', 'name under which the model is served')
    .requiredOption('--out <file>', 'where the artefact goes')
    .option(
      '--images <count>',
      'inputs used: half to train, half to set the threshold',
      positiveInteger,
      1000,
    )
    .option('--target-fpr <rate>', 'false positive rate that clean inputs may have', rate, 0.05)
    .option(
      '--per-class',
      'a threshold of its own for each predicted class that has 5 / target rate clean inputs: more even false positives',
    )
    .option(
      '--vector <design>',
      `vector design: ${vectorDesigns.join(' or ')}`,
      oneOf(vectorDesigns),
      'margin-changes',
    )
    .option(
      '--accept-shifts',
      'write a detector on neurons also where it flags shifted clean images at more than twice the target rate',
    )
    .addOption(
      new Option(
        '--auto',
        'choose design and transforms by cross-validation on the images of training, and say why',
      ).conflicts(['vector', 'adversarial', 'keyedTransforms']),
    )
    .addOption(
      new Option(
        '--sequential',
        'also fit a test that makes copies only while its score leaves doubt; the guard then runs that',
      ).conflicts(['auto', 'tap']),
    )
    .option(
      '--sequential-copies <mean>',
      'copies that the sequential test may cost a clean input on average; by default 3.4 of transforms, 1.7 of noise',
      positiveNumber,
    )
    .addOption(
      new Option(
        '--trigger-check',
        'also refuse inputs whose penultimate activation lies far from its class, as one with the trigger of a backdoor does; at the target rate, which adds to that of the detector',
      ).conflicts(['auto']),
    )
    .option(
      '--budgets <numbers>',
      'rising radii of the fixed attacks trained on, in units of the input; by default 0.1,0.2,0.3, of layer-levels 0.002,0.004',
      risingNumbers,
    )
    .option('--seed <number>', 'seed of the draw, the noise and the training', positiveInteger, 1)
    .option(
      '--keyed-transforms <file>',
      'draw the transforms by the noise key of this file: they are secret then, and the detector serves under this key alone',
    )
    .option('--detector-version <version>', 'version that the artefact says', '1.0.0')
    .option('--json', 'print the result as JSON');
  addSigningOptions(command, { required: false });
  addExamplesOption(addEngineOption(command));
  return addPlanOptions(addForeignOption(addDatasetOptions(command, 'train'))).action(calibrate);
}

async function calibrate(path: string, options: CalibrateOptions, command: Command): Promise<void> {
  const signer = await signerOfOptions(options, command);
  const model = await readInput(path);
  const dataset = await datasetOfOptions(options);
  const display = progressDisplay({ quiet: options.json === true });
  const { name, seed } = options;
  const noiseKey = await readNoiseKey(options.keyedTransforms);
  const listed = keyedPlan(planOf(options, dataset.inputShape[0]), noiseKey);
  const readsActivations = options.sequential === true || options.triggerCheck === true;
  const plan = readsActivations ? await tapActivations(listed, model) : listed;
  const shape = { inputShape: dataset.inputShape, range: plan.input_range };
  const foreign = await foreignOfOptions(options, shape);
  await requireWritable(options.out);
  const work = await openDetectorWork(model, {
    engine: options.engine,
    name,
    plan,
    seed,
    noiseKey,
    examples: options.examples,
    neurons: !options.auto && designReads[options.vector].neurons === true,
    levels: !options.auto && designReads[options.vector].levels === true,
    neuronTensors: options.neuronTensor,
  });
  const run = dataset.datatype === 'INT16' ? waveformAttacks(work.run) : work.run;
  try {
    const chosen = {
      targetFpr: options.targetFpr,
      perClass: options.perClass === true,
      acceptShifts: options.acceptShifts === true,
      images: options.images,
      budgets: options.budgets ?? (designReads[options.vector].levels ? [0.002, 0.004] : [0.1, 0.2, 0.3]),
      seed,
      version: options.detectorVersion,
      createdAt: new Date(),
    };
    const calibrated = options.auto
      ? await calibrateAutomatically({ ...work, run, dataset }, chosen, display.onStage)
      : await calibrateDetector(
          { ...work, run, dataset, foreign },
          { ...chosen, design: options.vector, triggerCheck: options.triggerCheck, ...sequentialOf(options) },
          display.onStage,
        );
    display.stop();
    const artefact = signer === undefined ? calibrated : await signer.sign(calibrated);
    await signer?.keep();
    await writeWhole(options.out, `${JSON.stringify(artefact, null, 1)}\n`);
    const { threshold, calibration, mlp } = artefact;
    if (options.json) {
      const { parameters } = mlp;
      const signing = signer?.summary;
      const sequential = artefact.sequential && sequentialSummary(artefact.sequential);
      console.log(
        JSON.stringify({ out: options.out, threshold, sequential, calibration, parameters, signing }),
      );
    } else {
      if (calibration.selection !== undefined) console.log(selectionText(calibration.selection));
      const { clean, adversarial } = calibration.training;
      const [low, high] = threshold.fpr_ci95.map((value) => `${(100 * value).toFixed(1)} %`);
      console.log(
        `trained ${artefact.name}, ${mlp.parameters} parameters, on ${clean} clean and ${adversarial} adversarial inputs`,
      );
      console.log(
        `threshold ${threshold.value.toFixed(4)} for a false positive rate of ${100 * threshold.target_fpr} %`,
      );
      console.log(
        `from ${threshold.calibration_samples} clean inputs: the true rate lies within ${low} to ${high} (95 %)`,
      );
      if (calibration.shifts !== undefined) console.log(shiftsLine(calibration.shifts, artefact.plan));
      if (options.perClass) console.log(perClassLine(threshold, artefact.model.classes));
      if (artefact.sequential !== undefined) console.log(sequentialText(artefact.sequential));
      if (artefact.trigger_check !== undefined) console.log(triggerLine(artefact.trigger_check));
      for (const line of signer?.lines ?? []) console.log(line);
      console.log(`wrote ${options.out}`);
      if (options.split === 'train') console.error(trainSplitNote);
    }
  } finally {
    display.stop();
    await work.close();
  }
}

/** Not refused: many a model was trained on other images of its collection, and some hardly know their own. */
const trainSplitNote =
  'note: where the model was trained on these images it is surer of them than of new ones, which are then flagged more often than at the target: calibrate on others (--split test --rows 0-1999)';

/** Says what the trigger check promises. */
function triggerLine({ threshold }: NonNullable<DetectorArtefact['trigger_check']>): string {
  const [low, high] = threshold.fpr_ci95.map((value) => `${(100 * value).toFixed(1)} %`);
  return `trigger check: distance over ${threshold.value.toFixed(1)}, a false positive rate of ${100 * threshold.target_fpr} % of its own (${low} to ${high})`;
}

/** Copies with noise that a sequential test of a design on noise alone goes up to. */
const sequentialCopiesMax = 16;

/** Of an automatic choice the plan has every copy that a candidate may read: noise, the preset, and a median beside it. */
function planOf(options: CalibrateOptions, channels: number): ExtractionPlan {
  if (!options.auto) {
    const isNoise = noiseDesigns.some((design) => design === options.vector);
    const copies = options.copies ?? (options.sequential && isNoise ? sequentialCopiesMax : undefined);
    const planned = { ...options, ...(copies !== undefined && { copies }) };
    return planOfOptions(planned, { design: options.vector, channels });
  }
  const plan = planOfOptions(options, { design: 'margin-changes+rank-gaps', channels });
  return { ...plan, transforms: [...plan.transforms, { family: 'median', size: 3 }] };
}

function sequentialOf({ sequential = false, sequentialCopies: copiesMean }: CalibrateOptions) {
  return sequential ? { sequential: { copiesMean } } : {};
}

/** Says what a design on neurons reads, and the shift that it flags most. */
function shiftsLine(
  shifts: NonNullable<DetectorArtefact['calibration']['shifts']>,
  { taps }: ExtractionPlan,
): string {
  const read = taps.flatMap((tap) => (tap.kind === 'units' ? [`${tap.units} of ${tap.tensor}`] : []));
  const worst = shifts.reduce((most, one) => (one.flagged > most.flagged ? one : most));
  const share = `${(100 * worst.flagged).toFixed(1)} % of ${worst.images}`;
  return `reads ${planUnits({ taps })} neurons (${read.join(', ')}); of shifted clean images it flags at most ${share}, under ${worst.shift}`;
}

/** Says which classes have a threshold of their own, and what it takes. */
function perClassLine(
  { per_class: own = [], target_fpr: target }: DetectorArtefact['threshold'],
  classes: number,
): string {
  const needed = `a class needs ${classSamplesNeeded(target)} clean inputs for one of its own`;
  if (own.length === 0) return `no class has a threshold of its own: ${needed}`;
  const listed = own.map((one) => `${one.class}: ${one.value.toFixed(4)}`).join(', ');
  return `thresholds of ${own.length} of ${classes} classes (${listed}); ${needed}`;
}
