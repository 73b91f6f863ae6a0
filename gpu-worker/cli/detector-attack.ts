// `nccr-guard detector attack`: a model and its detector against attackers who know both.

import { Command } from 'commander';
import type { AttackCard } from '../../shared/contracts/detector-artefact.ts';
import { GuardError } from '../../shared/errors.ts';
import { attackCard } from '../evaluate/attack-card.ts';
import { attackGuardedModel, type GuardAttackReport } from '../evaluate/guard-attack.ts';
import { aligned } from '../evaluate/text-columns.ts';
import { openDetectorWork, requireModelOf } from './detector-work.ts';
import { addEngineOption, type EngineOption } from './engine-option.ts';
import { noiseKeyOfPlan } from './noise-key-file.ts';
import {
  addDatasetOptions,
  type DatasetOptions,
  datasetOfOptions,
  positiveInteger,
  readArtefact,
  risingNumbers,
} from './options.ts';
import { progressDisplay } from './progress.ts';
import { readInput } from './read-file.ts';
import { requireWritable, writeWhole } from './write-file.ts';

interface AttackOptions extends DatasetOptions, EngineOption {
  readonly detector: string;
  readonly images: number;
  readonly budgets: readonly number[];
  readonly steps: number;
  readonly draws: number;
  readonly queries: number;
  readonly seed: number;
  readonly noiseKey?: string;
  readonly out?: string;
  readonly json?: boolean;
  readonly writeCard?: boolean;
}

/** Makes the command. */
export function detectorAttackCommand(): Command {
  const command = new Command('attack')
    .description(
      'attack a model and its detector together: effective accuracy against budget, and signs of gradient masking',
    )
    .argument('<model.onnx>', 'the protected model, not compiled')
    .requiredOption('--detector <artefact.json>', 'the detector')
    .option('--images <count>', 'inputs drawn from the data set', positiveInteger, 100)
    .option(
      '--budgets <numbers>',
      'rising radii in the max norm, in units of the input',
      risingNumbers,
      [0.1, 0.2, 0.3],
    )
    .option('--steps <count>', 'steps of the attacks with gradients', positiveInteger, 100)
    .option(
      '--draws <count>',
      'draws of noise a step where the attacker does not know it',
      positiveInteger,
      20,
    )
    .option('--queries <count>', 'questions an image of the attacks without gradients', positiveInteger, 1000)
    .option('--seed <number>', 'seed of the draw, the noise and the attacks', positiveInteger, 2)
    .option('--noise-key <file>', 'noise key of the deployment; a detector of keyed transforms needs its own')
    .option('--out <file>', 'write the report as JSON')
    .option('--write-card', 'write the figures into the artefact, which must then be signed anew')
    .option('--json', 'print the report as JSON');
  return addEngineOption(addDatasetOptions(command, 'test')).action(run);
}

async function run(path: string, options: AttackOptions): Promise<void> {
  const [model, artefact] = [await readInput(path), await readArtefact(options.detector)];
  await requireModelOf(artefact, model, { detector: options.detector, model: path });
  if (artefact.sequential !== undefined) {
    // Its gradients would be those of the full test, and the guard decides by another.
    const detail = `${options.detector} has a sequential test, which is not attacked: calibrate one without --sequential`;
    throw new GuardError('invalid_artefact', detail);
  }
  const dataset = await datasetOfOptions(options);
  const display = progressDisplay({ quiet: options.json === true });
  const { images, budgets, steps, draws, queries, seed } = options;
  const { plan } = artefact;
  const noiseKey = await noiseKeyOfPlan(plan, options.noiseKey);
  await requireWritable(options.out);
  const work = await openDetectorWork(model, {
    name: artefact.model.name,
    plan,
    seed,
    noiseKey,
    engine: options.engine,
  });
  try {
    const report = await attackGuardedModel(
      { artefact, extractor: work.extractor, target: work.target, dataset },
      { images, budgets, steps, draws, queries, seed },
      display.onStage,
    );
    display.stop();
    if (options.out !== undefined) await writeWhole(options.out, `${JSON.stringify(report, null, 2)}\n`);
    if (options.writeCard) await writeCard(options.detector, attackCard(report, new Date()));
    console.log(options.json ? JSON.stringify(report) : reportText(report));
    if (options.writeCard) console.error(`wrote the card into ${options.detector}: sign it anew`);
  } finally {
    display.stop();
    await work.close();
  }
}

/** Adds the card to the file as it stands and takes the signature off, which does not cover it. */
async function writeCard(path: string, card: AttackCard): Promise<void> {
  const stored = JSON.parse((await readInput(path)).toString('utf8')) as Record<string, unknown>;
  const { signature: _, ...unsigned } = stored;
  await writeWhole(path, `${JSON.stringify({ ...unsigned, card }, null, 1)}\n`);
}

/** The report for a person. */
export function reportText(report: GuardAttackReport): string {
  const { detector, dataset, clean, budgets, parameters, never_succeeded: never, masking } = report;
  const side = (name: 'bare' | 'guarded', title: string) => {
    const attacks = budgets[0][name].attacks.map(({ attack }) => attack);
    return [
      [title, ...budgets.map(({ epsilon }) => `${epsilon}`)],
      ...attacks.map((attack, index) => [
        `  ${attack}`,
        ...budgets.map((budget) => percent(budget[name].attacks[index].effective_accuracy)),
      ]),
      [
        '  strongest of each image',
        ...budgets.map((budget) => percent(budget[name].worst_effective_accuracy)),
      ],
    ];
  };
  const worst = budgets[budgets.length - 1];
  return [
    `${detector.name} ${detector.version} on ${dataset.name}, ${dataset.images} images`,
    `effective accuracy at ${worst.epsilon}: ${percent(worst.guarded.worst_effective_accuracy)} with the guard, ${percent(worst.bare.worst_effective_accuracy)} without`,
    `without an attack: ${percent(clean.effective_accuracy)} with the guard, which blocks ${percent(clean.blocked)} of the clean images, ${percent(clean.accuracy)} without`,
    aligned([...side('bare', 'the model alone'), ...side('guarded', 'model and guard')]),
    `${parameters.steps} steps, ${parameters.draws} draws of secret noise, ${parameters.queries} queries`,
    never.length > 0 ? `never succeeded: ${never.join(', ')}` : 'every attack succeeded somewhere',
    ...masking
      .filter(({ raised }) => raised)
      .map(({ flag, detail }) => `sign of gradient masking: ${flag} (${detail})`),
    ...(masking.some(({ raised }) => raised) ? [] : ['no sign of gradient masking']),
    ...(report.trigger_check === undefined
      ? []
      : ['the trigger check is not attacked: these figures are of the detector alone']),
  ].join('\n');
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
