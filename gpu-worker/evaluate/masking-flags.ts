// Signs that an evaluation's attacks with gradients are too weak, and its accuracy therefore too good to be true.
import type { AttackRun } from './guard-attack-runs.ts';

/** One sign, raised or not. */
export interface MaskingFlag {
  readonly flag:
    | 'no-aware-attack'
    | 'black-box-stronger-than-white-box'
    | 'less-knowledge-is-stronger'
    | 'larger-budget-does-not-help'
    | 'random-noise-succeeds'
    | 'zero-gradients';
  readonly raised: boolean;
  readonly detail: string;
}

/** Share of steps without a gradient above which the attack has been walking blind. */
const zeroGradientsMax = 0.01;

/** What the flags are read from, beside the runs. */
export interface MaskingContext {
  /** [images]: 1 where the clean image is lost already. */
  readonly lostClean: Uint8Array;
  readonly budgets: readonly number[];
  /** Largest share over the attacks with gradients. */
  readonly zeroGradients: number;
}

/**
 * Reads the signs of gradient masking off the attacks on a guard.
 * @returns every flag, raised or not; where no attack has the detector in its loss, that alone
 * @see Athalye, Carlini and Wagner (2018), section 3.1; Croce and Hein, "Reliable evaluation of adversarial robustness with
 *   an ensemble of diverse parameter-free attacks" (2020); AutoAttack's own flags
 */
export function maskingFlags(
  runs: readonly AttackRun[],
  { lostClean, budgets, zeroGradients }: MaskingContext,
): MaskingFlag[] {
  const aware = runs.filter(({ attack }) => attack.startsWith('adaptive-'));
  if (aware.length === 0) {
    const detail = 'attacks with the detector in their loss are not supported for its vector design';
    return [{ flag: 'no-aware-attack', raised: true, detail: `${detail}: the figures are upper bounds` }];
  }
  const white = perBudget(aware, budgets);
  const places = (raised: readonly boolean[]) => budgets.filter((_, budget) => raised[budget]).join(', ');
  const beats = (others: readonly Uint8Array[], than: readonly Uint8Array[]) =>
    budgets.map((_, budget) => lossCount(others[budget]) > lossCount(than[budget]));
  const black = beats(
    perBudget(
      runs.filter(({ sees }) => sees === 'answers'),
      budgets,
    ),
    white,
  );
  const named = (name: string) => runs.filter(({ attack }) => attack === name);
  // Whoever knows all of the guard can do what others do, and should.
  const full = perBudget(
    runs.filter(({ attack }) => attack === 'adaptive-known' || attack === 'adaptive-white-box'),
    budgets,
  );
  const lessers = ['adaptive-secret', 'pgd-unaware'].flatMap((name) =>
    named(name).map((one) => ({ name, stronger: beats(one.lost, full) })),
  );
  const blind = lessers.filter(({ stronger }) => stronger.includes(true));
  const total = white.map((lost) => lossCount(lost.map((value, row) => value | lostClean[row])));
  const last = budgets.length - 1;
  const stuck = last > 0 && total[last] <= total[0] && total[last] < lostClean.length;
  // Noise that turns what is not lost already and that gradients did not find.
  const noise = perBudget(named('uniform-noise'), budgets).map((lost, budget) =>
    lost.some((value, row) => value === 1 && lostClean[row] === 0 && white[budget][row] === 0),
  );
  const flag = (name: MaskingFlag['flag'], raised: boolean, detail: string) => ({
    flag: name,
    raised,
    detail,
  });
  return [
    flag(
      'black-box-stronger-than-white-box',
      black.includes(true),
      black.includes(true) ? `at ${places(black)}` : 'at no budget',
    ),
    flag(
      'less-knowledge-is-stronger',
      blind.length > 0,
      blind.map(({ name, stronger }) => `${name} at ${places(stronger)}`).join('; ') || 'at no budget',
    ),
    flag(
      'larger-budget-does-not-help',
      stuck,
      `lost images by budget: ${total.join(', ')} of ${lostClean.length}`,
    ),
    flag(
      'random-noise-succeeds',
      noise.includes(true),
      noise.includes(true) ? `where gradients do not, at ${places(noise)}` : 'nowhere that gradients do not',
    ),
    flag(
      'zero-gradients',
      zeroGradients > zeroGradientsMax,
      `in ${(100 * zeroGradients).toFixed(1)} % of the steps`,
    ),
  ];
}

/** Images that any of the runs turns, budget by budget. */
function perBudget(runs: readonly AttackRun[], budgets: readonly number[]): Uint8Array[] {
  return budgets.map((_, budget) => {
    const [first, ...others] = runs.map(({ lost }) => lost[budget]);
    return first.map((value, row) => others.reduce((any, lost) => any | lost[row], value));
  });
}

function lossCount(lost: Uint8Array): number {
  return lost.reduce((sum, value) => sum + value, 0);
}
