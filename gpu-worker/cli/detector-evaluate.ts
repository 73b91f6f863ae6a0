// `nccr-guard detector evaluate`: a detector against attacks on inputs that it has never seen.
import { Command } from 'commander';
import { type AttackName, attackNames } from '../attacks/attack-by-name.ts';
import { type EvaluationReport, evaluateDetector } from '../evaluate/evaluate-detector.ts';
import { sequentialTable } from '../evaluate/evaluate-sequential.ts';
import type { TriggerCheckReport } from '../evaluate/evaluate-trigger-check.ts';
import { aligned } from '../evaluate/text-columns.ts';
import { openDetectorWork, requireModelOf } from './detector-work.ts';
import { addEngineOption, type EngineOption } from './engine-option.ts';
import { addExamplesOption } from './kept-examples.ts';
import { noiseKeyOfPlan } from './noise-key-file.ts';
import {
  addDatasetOptions,
  addForeignOption,
  datasetOfOptions,
  foreignOfOptions,
  oneOf,
  positiveInteger,
  positiveNumber,
  readArtefact,
} from './options.ts';
import { progressDisplay } from './progress.ts';
import { readInput } from './read-file.ts';
import { requireWritable, writeWhole } from './write-file.ts';

interface EvaluateOptions extends EngineOption {
  readonly detector: string;
  readonly dataset: string;
  readonly split: string;
  readonly images: number;
  readonly seed: number;
  readonly noiseKey?: string;
  readonly attack?: readonly AttackName[];
  readonly adversarial?: readonly string[];
  readonly epsilon?: number;
  readonly out?: string;
  readonly examples?: string;
  readonly json?: boolean;
}

/** The attacks of a report where none is named: the smallest successes of the paper's five, and the fixed ones. */
const attacksDefault: readonly AttackName[] = [
  'fgsm',
  'pgd',
  'jsma',
  'carlini-wagner',
  'deepfool',
  'fgsm-fixed',
  'pgd-fixed',
];

/** Radius of the fixed attacks where neither the option nor the plan's noise says one. */
const epsilonDefault = 0.1;

/** Makes the command. */
export function detectorEvaluateCommand(): Command {
  const one = oneOf(attackNames);
  const command = new Command('evaluate')
    .description(
      'measure a detector on unseen inputs: AUROC beside the logit margin, and the false positive rate',
    )
    .argument('<model.onnx>', 'the protected model, not compiled')
    .requiredOption('--detector <artefact.json>', 'the detector')
    .option('--images <count>', 'inputs drawn from the data set', positiveInteger, 1000)
    .option(
      '--attack <name>',
      `attack, may be repeated: ${attackNames.join(', ')}`,
      (text, before: readonly AttackName[] | undefined) => [...(before ?? []), one(text)],
    )
    .option(
      '--epsilon <number>',
      "radius of the fixed attacks; the plan's noise bound by default",
      positiveNumber,
    )
    .option('--seed <number>', 'seed of the draw and the noise', positiveInteger, 2)
    .option('--noise-key <file>', 'noise key of the deployment; a detector of keyed transforms needs its own')
    .option('--out <file>', 'write the report as JSON')
    .option('--json', 'print the report as JSON');
  addEngineOption(command);
  return addExamplesOption(addForeignOption(addDatasetOptions(command, 'test'))).action(run);
}

async function run(path: string, options: EvaluateOptions): Promise<void> {
  const [model, artefact] = [await readInput(path), await readArtefact(options.detector)];
  await requireModelOf(artefact, model, { detector: options.detector, model: path });
  const dataset = await datasetOfOptions(options);
  const display = progressDisplay({ quiet: options.json === true });
  const { name, input_shape: inputShape } = artefact.model;
  const foreign = await foreignOfOptions(options, { inputShape, range: artefact.plan.input_range });
  const noiseKey = await noiseKeyOfPlan(artefact.plan, options.noiseKey);
  await requireWritable(options.out);
  const work = await openDetectorWork(model, {
    engine: options.engine,
    name,
    plan: artefact.plan,
    seed: options.seed,
    noiseKey,
    examples: options.examples,
  });
  try {
    const report = await evaluateDetector(
      { ...work, artefact, dataset, foreign },
      {
        images: options.images,
        seed: options.seed,
        attacks: options.attack ?? (foreign.length > 0 ? [] : attacksDefault),
        epsilon: options.epsilon ?? artefact.plan.noise[0]?.epsilon ?? epsilonDefault,
      },
      display.onStage,
    );
    display.stop();
    if (options.out !== undefined) await writeWhole(options.out, `${JSON.stringify(report, null, 2)}\n`);
    console.log(options.json ? JSON.stringify(report) : reportTable(report));
  } finally {
    display.stop();
    await work.close();
  }
}

function percent(value: number): string {
  return `${(100 * value).toFixed(1)} %`;
}

function interval([low, high]: [number, number]): string {
  return `${percent(low)} to ${percent(high)}`;
}

function triggerLine({ fpr, target_fpr: target, fpr_interval: expected }: TriggerCheckReport): string {
  return `trigger check: by itself refuses ${percent(fpr)} of the clean images, target ${percent(target)}, expected within ${interval(expected)}; no triggers are tried`;
}

/** The report for a person, worst attack first in sight. */
export function reportTable(report: EvaluationReport): string {
  const header = [
    'attack',
    'successes',
    'median eps',
    'AUROC',
    'margin',
    'l2',
    'TPR@5%',
    'TPR@1%',
    'flagged',
  ];
  const rows = report.attacks.map((row) => [
    row.attack,
    `${row.successes}/${row.attacked}`,
    row.median_epsilon?.toFixed(4) ?? '',
    ...[row.auroc, row.auroc_margin, row.auroc_l2].map((value) => value?.toFixed(4) ?? ''),
    ...[row.tpr_at_fpr_5, row.tpr_at_fpr_1, row.tpr_at_threshold].map((value) =>
      value === null ? '' : percent(value),
    ),
  ]);
  const scored = report.attacks.flatMap(({ attack, auroc, auroc_margin: margin }) =>
    auroc === null || margin === null ? [] : { attack, auroc, margin },
  );
  const [worst] = scored.toSorted((left, right) => left.auroc - right.auroc);
  const beaten = scored.filter(({ auroc, margin }) => auroc < margin).map(({ attack }) => attack);
  return [
    `${report.detector.name} ${report.detector.version} on ${report.dataset.name}, ${report.dataset.images} images`,
    worst === undefined
      ? 'no attack succeeded'
      : `worst attack: ${worst.attack}, AUROC ${worst.auroc.toFixed(4)}`,
    aligned([header, ...rows]),
    `false positives on clean images: ${percent(report.fpr)}, target ${percent(report.target_fpr)}`,
    `  expected within ${interval(report.fpr_interval)} (95 %, calibration and test drawn)`,
    `  within ${interval(report.fpr_interval_binomial)} were the rate exactly the target`,
    ...(report.own_thresholds === 0
      ? []
      : [
          `  both are of the common threshold; ${report.own_thresholds} classes have their own, from fewer inputs each`,
        ]),
    `  by predicted class: ${classLine(report.classes)}`,
    beaten.length > 0
      ? `the logit margin alone does better on: ${beaten.join(', ')}`
      : 'no attack on which the logit margin alone does better',
    ...(report.sequential === undefined ? [] : sequentialTable(report.sequential)),
    ...(report.trigger_check === undefined ? [] : [triggerLine(report.trigger_check)]),
  ].join('\n');
}

/** The least and the most flagged class, in one line for a thousand classes too. */
function classLine(classes: EvaluationReport['classes']): string {
  const sorted = classes.toSorted((left, right) => left.fpr - right.fpr);
  const said = ({ class: class_, fpr, images }: EvaluationReport['classes'][number]) =>
    `${(100 * fpr).toFixed(1)} % of ${images} (class ${class_})`;
  return `${said(sorted[0])} to ${said(sorted[sorted.length - 1])}`;
}
