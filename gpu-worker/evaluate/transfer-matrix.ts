// The train-by-test matrix: a design trained on one attack, or on several, tested on each.
import type { MatrixRow } from '../../shared/contracts/detection-table.ts';
import type { VectorDesign } from '../../shared/contracts/detector-artefact.ts';
import type { AttackName } from '../attacks/attack-by-name.ts';
import type { ExtractedRows } from '../calibrate/extract-rows.ts';
import { type TrainingRecipe, trainingRecipes } from '../calibrate/training-recipes.ts';
import { compareSeeds, toldApart } from './compare-scores.ts';
import { matrixCombine, type PaperSubject, paperCells } from './paper-figures.ts';
import { designScores, type TrainDesign } from './table-designs.ts';

/** Which detectors are compared. */
export interface MatrixOptions {
  readonly designs: readonly VectorDesign[];
  /** Attacks, at their smallest success, that a detector each is trained on; the paper's Combine is added. */
  readonly sources: readonly AttackName[];
}

/** What the detectors are tested on, and what data set or model that is of. */
export interface MatrixTests extends PaperSubject {
  readonly clean: ExtractedRows;
  /** Rows of the clean set that were attacked. */
  readonly right: readonly number[];
  /** By the name of the table's row. */
  readonly found: ReadonlyMap<string, ExtractedRows>;
}

/**
 * Makes the matrix.
 * @returns a row for each design and training set, in that order
 * @throws GuardError `invalid_dataset` where an attack never succeeds
 * @see NCCR, section 5.1, tables 3 and 4
 */
export async function transferMatrix(
  { designs, sources }: MatrixOptions,
  { clean, right, found, ...subject }: MatrixTests,
  train: TrainDesign,
): Promise<MatrixRow[]> {
  const rows: MatrixRow[] = [];
  for (const design of designs) {
    for (const trained of [...sources.map((source) => [source]), matrixCombine]) {
      const detectors = await train(design, recipeOn(design, trained));
      const negatives = designScores(clean, design, detectors);
      const cells = Array.from(found, ([attack, examples]) => {
        const positives = designScores(examples, design, detectors);
        const paper = paperCells(subject, { attack, trainedOn: trained });
        const compared = compareSeeds(toldApart(positives, negatives, right));
        return [attack, { ...compared, ...(Object.keys(paper).length > 0 && { paper }) }] as const;
      });
      rows.push({ design, trained_on: [...trained], cells: Object.fromEntries(cells) });
    }
  }
  return rows;
}

/** The design's own recipe with the smallest successes of these attacks as its only adversarial inputs. */
function recipeOn(design: VectorDesign, attacks: readonly AttackName[]): TrainingRecipe {
  const recipe = trainingRecipes[design];
  const sources = attacks.map((attack) => ({ kind: 'attack', attack, share: 1 }) as const);
  return {
    ...recipe,
    pools: [
      ...recipe.pools.filter(({ adversarial }) => !adversarial),
      { adversarial: true, mass: 1, sources },
    ],
  };
}
