// What earlier robustness reports say of the same images under the same noise, for the trend of a new one.
import type { EarlierModel, RobustnessReport } from '../../shared/contracts/robustness-report.ts';
import { GuardError } from '../../shared/errors.ts';

/** An earlier report and the file that it came from. */
export interface EarlierReport {
  readonly path: string;
  readonly report: RobustnessReport;
}

/** What figures of a report depend on beside its models. */
type Ground = Pick<RobustnessReport, 'dataset' | 'noise' | 'attack'>;

/**
 * The figures of earlier reports, oldest first.
 * @throws GuardError `invalid_config` where one was made on other images or noise: its figures would be no trend
 */
export function earlierModels(earlier: readonly EarlierReport[], ground: Ground): EarlierModel[] {
  for (const { path, report } of earlier) requireAlike(path, report, ground);
  return earlier
    .map(({ report }) => report)
    .toSorted((left, right) => Date.parse(left.created_at) - Date.parse(right.created_at))
    .flatMap(({ created_at, models }) =>
      models.map(({ name, digest, relative, l2, accuracy }) => ({
        name,
        digest,
        created_at,
        relative: { mean: relative.mean, ci95: relative.ci95 },
        l2: { mean: l2.mean, ci95: l2.ci95 },
        clean: accuracy.clean,
        pgd: accuracy.pgd,
      })),
    );
}

function requireAlike(path: string, { dataset, noise, attack }: RobustnessReport, ground: Ground): void {
  const differs = (what: string): never => {
    throw new GuardError('invalid_config', `${path} was made ${what}: no trend can be read off the two`);
  };
  if (dataset.digest !== ground.dataset.digest)
    differs(`on other images (${dataset.name}, ${dataset.images})`);
  const { epsilon, sets, seed } = noise;
  const { noise: own } = ground;
  if (
    epsilon !== own.epsilon ||
    sets !== own.sets ||
    seed !== own.seed ||
    noise.range.join() !== own.range.join()
  ) {
    differs(
      `with other noise (epsilon ${epsilon}, ${sets} sets, seed ${seed}, range ${noise.range.join(' to ')})`,
    );
  }
  if (attack !== null && ground.attack !== null && attack.epsilon !== ground.attack.epsilon) {
    differs(`under PGD at ${attack.epsilon}`);
  }
}
