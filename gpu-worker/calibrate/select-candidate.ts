// Which vector design over which copies a detector is made of: the candidates, the rule of choice, and its reason in words.
import type { CandidateReport, Selection, VectorDesign } from '../../shared/contracts/detector-artefact.ts';
import { type ExtractionPlan, planNoiseCopies } from '../../shared/contracts/extraction.ts';
import type { Transform } from '../../shared/contracts/transform.ts';
import { detectorParametersMax } from '../../shared/limits.ts';
import {
  type Candidate,
  type CandidateFigures,
  candidateSize,
  crossValidate,
  shorterRecipe,
} from './cross-validate.ts';
import type { Fold } from './fold-rows.ts';
import { narrowPlan } from './narrow-rows.ts';
import type { StageProgress } from './training-inputs.ts';

/**
 * The designs that are tried: whether each reads noise, and over which transforms it is tried. `search` leaves one after
 * another out; `found` takes all of them and the set that the search found best. A new design is one line here.
 */
export const triedDesigns: Readonly<
  Partial<Record<VectorDesign, { readonly noise: boolean; readonly transforms: 'none' | 'search' | 'found' }>>
> = {
  'rank-gaps': { noise: true, transforms: 'none' },
  strict: { noise: true, transforms: 'none' },
  'margin-changes': { noise: false, transforms: 'search' },
  'margin-changes+rank-gaps': { noise: true, transforms: 'found' },
};

/** Values that are as good as the same: what is left to a few hundred images and one seed. */
const valueTie = 0.002;
/** The search ends where leaving any family out takes the value this far below the best one found. */
const searchSlack = 0.01;
/** Shifted clean images may be flagged at this many times the target rate without cost. */
const shiftFactor = 2;

/**
 * Steps of training as a share of those of a recipe: candidates are tried with the first, and the chosen one with the second
 * too. The recipes are made for thousands of images; of a few hundred they learn too much by heart (on CIFAR-10, 310
 * images, a quarter of the steps reached 0.949 where all of them reached 0.930).
 */
const stepsSharesDefault = [1 / 4, 1] as const;

/** The rule, as an artefact says it. */
export const selectionRule = `value = mean of the AUROC of both tails - what the worst shift's false positive rate exceeds ${shiftFactor} x the target rate by; the highest value wins, of those within ${valueTie} of it the one with the fewest forward passes`;

/** A candidate with what it is worth. */
export interface Tried {
  readonly candidate: Candidate;
  readonly report: CandidateReport;
}

/** What a selection needs. */
export interface SelectionOptions {
  readonly transforms: readonly Transform[];
  readonly targetFpr: number;
  readonly seed: number;
  /** Steps of training as shares of a recipe's: the first to try candidates with, all for the chosen one. */
  readonly stepsShares?: readonly [number, ...number[]];
}

/**
 * Chooses by cross-validation.
 * @returns the candidate, how long it is trained for, and what an artefact says of the choice
 * @throws GuardError `invalid_dataset` where a fold has too few images for the target rate
 */
export function selectCandidate(
  folds: readonly Fold[],
  { transforms, targetFpr, seed, stepsShares = stepsSharesDefault }: SelectionOptions,
  onStage: StageProgress,
): { candidate: Candidate; stepsShare: number; selection: Selection } {
  const [{ clean }] = folds;
  const tried: Tried[] = [];
  const tooLarge: Selection['too_large'] = [];
  const figuresAt = (candidate: Candidate, stepsShare: number) =>
    reportFigures(crossValidate(folds, candidate, { targetFpr, seed, stepsShare }), targetFpr);
  const attempt = (candidate: Candidate): Tried | undefined => {
    const size = candidateSize(clean, candidate);
    const named = describe(candidate, clean.compiled.plan);
    if (size.parameters > detectorParametersMax) {
      tooLarge.push({ ...named, parameters: size.parameters });
      return undefined;
    }
    onStage(`try ${candidateName(named)}`, 0);
    const one = { candidate, report: { ...named, ...size, ...figuresAt(candidate, stepsShares[0]) } };
    tried.push(one);
    return one;
  };
  const entries = Object.entries(triedDesigns) as [VectorDesign, { noise: boolean; transforms: string }][];
  const of = (kind: string) => entries.filter(([, how]) => how.transforms === kind);
  for (const [design, { noise }] of of('none')) attempt({ design, noise, transforms: [] });
  for (const [design, { noise }] of of('search')) {
    searchTransforms(transforms, (subset) => attempt({ design, noise, transforms: subset }));
  }
  const found = chooseCandidate(tried.filter(({ candidate }) => candidate.transforms.length > 0));
  for (const [design, { noise }] of of('found')) {
    attempt({ design, noise, transforms });
    const subset = found?.candidate.transforms ?? transforms;
    if (subset.length < transforms.length) attempt({ design, noise, transforms: subset });
  }
  const chosen = chooseCandidate(tried)!;
  onStage(`train ${candidateName(chosen.report)} for longer`, 0);
  const trained = stepsShares.map((stepsShare, index) =>
    index === 0 ? chosen.report : { ...chosen.report, ...figuresAt(chosen.candidate, stepsShare) },
  );
  const values = trained.map(({ value }) => value);
  const best = values.indexOf(Math.max(...values));
  const stepsOf = (share: number) => shorterRecipe(chosen.candidate, share).training.steps;
  const compared = tried.map(({ report }) => report);
  // The chosen one with the figures of the training that it is given, the others with those that they were compared by.
  const reports = compared
    .map((report) => (report === chosen.report ? trained[best] : report))
    .sort((left, right) => right.value - left.value);
  return {
    candidate: chosen.candidate,
    stepsShare: stepsShares[best],
    selection: {
      folds: folds.length,
      rule: selectionRule,
      reason: reasonOf({ chosen: chosen.report, trained: trained[best], compared }, targetFpr),
      chosen: reports.indexOf(trained[best]),
      candidates: reports,
      too_large: tooLarge,
      training: {
        steps: stepsOf(stepsShares[best]),
        tried: stepsShares.map((share, index) => ({ steps: stepsOf(share), value: values[index] })),
      },
    },
  };
}

/** The figures of a report. */
function reportFigures(
  figures: CandidateFigures,
  targetFpr: number,
): Pick<CandidateReport, 'auroc_smallest' | 'auroc_fixed' | 'worst_attack' | 'worst_shift' | 'value'> {
  const { tails, worstAttack, worstShift } = figures;
  return {
    auroc_smallest: tails.smallest,
    auroc_fixed: tails.fixed,
    worst_attack: worstAttack,
    worst_shift: worstShift,
    value: candidateValue(figures, targetFpr),
  };
}

/** What the rule compares. */
function candidateValue({ tails, worstShift }: CandidateFigures, targetFpr: number): number {
  return (tails.smallest + tails.fixed) / 2 - Math.max(0, worstShift.fpr - shiftFactor * targetFpr);
}

/**
 * Leaves out, one after another, the transform that is missed the least, down to one or until every one left is missed.
 * @param attempt what a subset is worth; undefined where it has too many parameters
 */
export function searchTransforms(
  transforms: readonly Transform[],
  attempt: (subset: readonly Transform[]) => Tried | undefined,
): void {
  let left = transforms;
  let best = attempt(left)?.report.value ?? Number.NEGATIVE_INFINITY;
  while (left.length > 1) {
    const round = left.flatMap((out) => attempt(left.filter((kept) => kept !== out)) ?? []);
    const next = chooseCandidate(round);
    if (next === undefined || next.report.value < best - searchSlack) return;
    left = next.candidate.transforms;
    best = Math.max(best, next.report.value);
  }
}

/** The candidate by {@link selectionRule}; the first of those that are alike in everything, undefined of none. */
export function chooseCandidate(tried: readonly Tried[]): Tried | undefined {
  const highest = Math.max(...tried.map(({ report }) => report.value));
  return tried
    .filter(({ report }) => report.value >= highest - valueTie)
    .sort(
      (left, right) => left.report.forwards - right.report.forwards || right.report.value - left.report.value,
    )[0];
}

function describe(candidate: Candidate, plan: ExtractionPlan) {
  const { noise, transforms } = narrowPlan(plan, candidate);
  return {
    design: candidate.design,
    noise_copies: planNoiseCopies({ noise }),
    transforms: transforms.map(transformName),
  };
}

/** How a transform is named, such as `shift 1,0,zeros`. */
function transformName({ family, ...settings }: Transform): string {
  return [family, Object.values(settings).join()].filter((part) => part !== '').join(' ');
}

/** How a candidate is named for a person. */
export function candidateName({
  design,
  transforms,
}: Pick<CandidateReport, 'design' | 'transforms'>): string {
  return transforms.length === 0 ? design : `${design} over ${transforms.join(', ')}`;
}

/** The chosen candidate among those that it was compared with, all after the first training. */
export interface Choice {
  /** One of `compared`. */
  readonly chosen: CandidateReport;
  /** The chosen one after the training that it is given. */
  readonly trained: CandidateReport;
  readonly compared: readonly CandidateReport[];
}

/** Why the chosen one and no other: its figures are those of its own training, comparisons are of the first one. */
export function reasonOf({ chosen, trained, compared }: Choice, targetFpr: number): string {
  const highest = compared.reduce((best, one) => (one.value > best.value ? one : best));
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const { shift, fpr } = trained.worst_shift;
  const within = fpr <= shiftFactor * targetFpr;
  const parts = [
    `AUROC ${trained.auroc_smallest.toFixed(4)} at the smallest epsilon and ${trained.auroc_fixed.toFixed(4)} at fixed ones`,
    `${percent(fpr)} of the clean images under ${shift} flagged, ${within ? 'within' : 'over'} ${percent(shiftFactor * targetFpr)}`,
    chosen.value === highest.value
      ? `the highest value of ${compared.length} candidates`
      : `${chosen.forwards} forward passes where the highest value, ${highest.value.toFixed(4)} against ${chosen.value.toFixed(4)}, takes ${highest.forwards}`,
  ];
  const strongest = compared.reduce((best, one) => (tails(one) > tails(best) ? one : best));
  if (tails(strongest) > tails(chosen) + valueTie) {
    parts.push(
      `${candidateName(strongest)} has the higher AUROC, but flags ${percent(strongest.worst_shift.fpr)} under ${strongest.worst_shift.shift}`,
    );
  }
  return parts.join('; ');
}

function tails({ auroc_smallest: smallest, auroc_fixed: fixed }: CandidateReport): number {
  return (smallest + fixed) / 2;
}
