// What a report calls attacks and ways of scoring, and how it writes their figures.
import type { DetectionTable } from '../../shared/contracts/detection-table.ts';
import { type VectorDesign, vectorDesigns } from '../../shared/contracts/detector-artefact.ts';
import type { AttackName } from '../attacks/attack-by-name.ts';
import { matrixCombine } from './paper-figures.ts';
import { sequentialDesigns, sequentialName } from './table-sequential.ts';

const designTitles: Readonly<Record<VectorDesign, string>> = {
  'rank-gaps': 'A: rank gaps',
  strict: 'B: strict',
  'margin-changes': 'W0: margin changes',
  'margin-changes+rank-gaps': 'W0 and A together',
  'margin-changes+neurons': 'W0+N: with neurons',
  'layer-levels': 'layers under three noises',
};

const baselineTitles: Readonly<Record<string, string>> = {
  margin: 'logit margin',
  'max softmax': 'maximum softmax',
  l2: 'l2 of the logits’ change',
  'label change rate': 'label change rate (BL1)',
  dissector: 'Dissector (BL2)',
  a2d: 'A2D (BL3)',
};

const attackTitles: Readonly<Record<AttackName, string>> = {
  fgsm: 'FGSM, smallest',
  pgd: 'PGD, smallest',
  jsma: 'JSMA',
  'carlini-wagner': 'C&W',
  deepfool: 'DeepFool',
  square: 'Square',
  boundary: 'boundary',
  fakebob: 'FAKEBOB',
  'gaussian-noise': 'Gaussian noise',
  'uniform-noise': 'uniform noise',
  'fgsm-fixed': 'FGSM',
  'pgd-fixed': 'PGD',
  'pgd-margin-fixed': 'PGD, margin loss',
};

/** Whether a way of scoring is a vector design, and no baseline. */
export function isDesign(name: string): name is VectorDesign {
  return vectorDesigns.some((design) => design === name);
}

/** The design whose sequential test a column is; undefined of every other column. */
export function sequentialDesign(name: string): VectorDesign | undefined {
  return sequentialDesigns.find((design) => sequentialName(design) === name);
}

/** Ways of scoring in the order of a report's columns. */
export interface ScorerColumns {
  /** Vector designs, and their sequential tests. */
  readonly designs: readonly string[];
  readonly baselines: readonly string[];
}

/** The columns of a table: designs first. */
export function scorerColumns({ rows }: DetectionTable): ScorerColumns {
  const names = Object.keys(rows[0].cells);
  const isOwn = (name: string) => isDesign(name) || sequentialDesign(name) !== undefined;
  return { designs: names.filter(isOwn), baselines: names.filter((name) => !isOwn(name)) };
}

/** A way of scoring as a report calls it; a name that it does not know stays. */
export function scorerTitle(name: string): string {
  const sequential = sequentialDesign(name);
  if (sequential !== undefined) return `${designTitles[sequential]}, sequential`;
  return isDesign(name) ? designTitles[name] : (titleOf(baselineTitles, name) ?? name);
}

/** A set of examples such as `pgd-fixed @0.1000`, as a report calls it, the radius on one line; a name that it does not know stays. */
export function attackTitle(name: string): string {
  const [attack, radius] = name.split(' @');
  const title = titleOf(attackTitles, attack) ?? attack;
  return radius === undefined ? title : `${title}, ε\u00a0=\u00a0${radius}`;
}

/** What a row of the train-by-test matrix was trained on. */
export function trainingTitle(attacks: readonly string[]): string {
  if (attacks.join() === matrixCombine.join()) return 'Combine';
  return attacks.map((attack) => attackTitle(attack).replace(', smallest', '')).join(' and ');
}

function titleOf(titles: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(titles, name) ? titles[name] : undefined;
}
