// Options that say how inputs are perturbed and what is read of them, and the plan that they make.
import type { Command } from 'commander';
import { designReads, type VectorDesign } from '../../shared/contracts/detector-artefact.ts';
import {
  type ExtractionPlan,
  extractionPlanSchema,
  noiseFamilies,
} from '../../shared/contracts/extraction.ts';
import { GuardError } from '../../shared/errors.ts';
import {
  type TransformPresetName,
  transformPresetNames,
  transformPresets,
} from '../../shared/noise/transform-presets.ts';
import { collect, numberPair, oneOf, positiveInteger, positiveNumber, risingNumbers } from './options.ts';

/** How inputs are perturbed, as options spell it. */
export interface PlanOptions {
  readonly noise: (typeof noiseFamilies)[number];
  readonly epsilon: number;
  readonly copies?: number;
  readonly transforms?: TransformPresetName;
  readonly bankRows: number;
  readonly range?: [number, number];
  readonly levels?: readonly number[] | undefined;
  readonly tap?: readonly string[] | undefined;
  readonly neuronTensor?: readonly string[];
}

/** What a plan is for, where that decides what the options leave open. */
export interface PlanPurpose {
  readonly design: VectorDesign;
  /** Channels of an image: one takes the preset for grey images, more the one for colour. */
  readonly channels: number;
}

/** Copies with noise where a design reads them and the options do not say how many (docs/paper.md). */
const noiseCopiesDefault = 4;

/** Noises of `layer-levels`: deviations of 0.0005, 0.002 and 0.006 of waveforms whose root mean square is 0.06. */
const levelsDefault: readonly number[] = [0.001, 0.004, 0.012];

/** Adds the options that make an extraction plan. */
export function addPlanOptions(command: Command): Command {
  return addNeuronOption(command)
    .option(
      '--noise <family>',
      `noise family: ${noiseFamilies.join(' or ')}`,
      oneOf(noiseFamilies),
      'gaussian',
    )
    .option('--epsilon <number>', 'bound of the noise, in units of the input', positiveNumber, 0.3)
    .option(
      '--copies <count>',
      'copies with noise, N; by default 4 where the vector design reads them',
      positiveInteger,
    )
    .option(
      '--transforms <preset>',
      `families of transforms, ${transformPresetNames.join(' or ')}; by default by the channels where the vector design reads them`,
      oneOf(transformPresetNames),
    )
    .option('--bank-rows <count>', 'noise rows that the compiled graph carries', positiveInteger, 256)
    .option(
      '--range <low,high>',
      'lowest and highest valid value of the input; by default 0,1, of recordings -1,1',
      numberPair,
    )
    .option(
      '--levels <numbers>',
      'rising bounds of the noises of layer-levels in place of --epsilon, twice their deviations',
      risingNumbers,
      levelsDefault,
    )
    .option('--tap <tensor>', 'tensor whose layer change is read as well; may be repeated', collect);
}

/** Adds the option that names the tensors of a design on neurons. */
export function addNeuronOption(command: Command): Command {
  return command.option(
    '--neuron-tensor <tensor>',
    'tensor that a vector design on neurons reads, may be repeated; by default the ends of all layers that every path runs through',
    collect,
  );
}

/** The plan that the options say, with what the design reads where they say nothing. */
export function planOfOptions(options: PlanOptions, { design, channels }: PlanPurpose): ExtractionPlan {
  const { noise: family, epsilon, bankRows: rows } = options;
  const reads = designReads[design];
  if (options.neuronTensor !== undefined && !reads.neurons) {
    throw new GuardError('invalid_config', `--neuron-tensor is not read by the vector design ${design}`);
  }
  const copies = options.copies ?? (reads.noise || reads.levels ? noiseCopiesDefault : 0);
  const bounds = reads.levels ? (options.levels ?? levelsDefault) : [epsilon];
  const byChannels = channels === 1 ? 'w0-grey' : 'w0-colour';
  const preset = options.transforms ?? (reads.transforms ? byChannels : undefined);
  return extractionPlanSchema.parse({
    input_range: options.range ?? (reads.levels ? [-1, 1] : [0, 1]),
    noise: copies === 0 ? [] : bounds.map((bound) => ({ family, epsilon: bound, rows, copies })),
    transforms: preset === undefined ? [] : transformPresets[preset],
    taps: (options.tap ?? []).map((tensor) =>
      reads.levels ? { kind: 'levels', tensor, levels: bounds.length } : { kind: 'layer', tensor },
    ),
  });
}
